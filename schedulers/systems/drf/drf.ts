/**
 * Dominant Resource Fairness: max-min fairness among pipelines over several resources.
 *
 *   s_i = max over resources r of u_ir / R_r        next = argmin s_i / w_i
 *
 * u_ir is what pipeline i's running batches hold of resource r, R_r all that there is, s_i its dominant share, w_i its weight.
 *
 * Source: Ghodsi et al., Dominant Resource Fairness, NSDI 2011, sections 4.1 (algorithm 1, table 1) and 4.3 (weights). Equal
 * shares: Mesos' sorter takes the client with fewer allocations so far, then the first name; here the one added first.
 */
import { z } from "zod";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import {
  defineController,
  namedWeights,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { type Amounts, Frameworks, resourcesOf } from "./frameworks.ts";
import { byOffers, offerParameters } from "./mesos.ts";

interface Client {
  readonly id: number;
  readonly weight: number;
  readonly used: number[];
  /** Made so far, those that were given back too. */
  allocations: number;
}

export class DominantShares {
  readonly #totals: Amounts;
  readonly #clients = new Map<number, Client>();

  constructor(totals: Amounts) {
    this.#totals = totals;
  }

  add(id: number, weight: number): void {
    this.#clients.set(id, { id, weight, used: this.#totals.map(() => 0), allocations: 0 });
  }

  allocate(id: number, amounts: Amounts): void {
    const client = this.#client(id);
    for (const [r, amount] of amounts.entries()) client.used[r] += amount;
    client.allocations++;
  }

  release(id: number, amounts: Amounts): void {
    const { used } = this.#client(id);
    for (const [r, amount] of amounts.entries()) used[r] -= amount;
  }

  /** Without its weight. A resource that nobody has gives no share. */
  shareOf(id: number): number {
    const totals = this.#totals;
    const shares = this.#client(id).used.map((u, r) => (totals[r] > 0 ? u / totals[r] : 0));
    return Math.max(0, ...shares);
  }

  /** The client to serve next first. */
  order(): number[] {
    const ranked = [...this.#clients.values()].map((client) => {
      return { ...client, share: this.shareOf(client.id) / client.weight };
    });
    // The sort is stable, so equal clients stay in the order in which they were added.
    ranked.sort((a, b) => a.share - b.share || a.allocations - b.allocations);
    return ranked.map(({ id }) => id);
  }

  #client(id: number): Client {
    return this.#clients.get(id) as Client;
  }
}

/** At each event, the next job of the pipeline with the smallest dominant share. */
function directly(frameworks: Frameworks, shares: DominantShares, skips: boolean): Controller {
  const startsOne = (view: ClusterView, act: Controls): boolean => {
    for (const pipeline of shares.order()) {
      if (frameworks.startNext(pipeline, view, act) !== undefined) return true;
      const waiting = frameworks.waiting(pipeline, view);
      // Its job can start once others have ended.
      if (!skips && waiting.some(({ pool }) => view.readyOf(pool) > 0)) return false;
    }
    return false;
  };
  return {
    ...frameworks.hearing,
    decide: (view, act) => {
      while (startsOne(view, act));
    },
  };
}

const controller = defineController({
  name: "drf",
  summary: "the pipeline with the smallest dominant share is served next",
  idea: "Max-min fairness over several resources: a pipeline's dominant share is the largest that its running batches hold of any resource, and the pipeline with the smallest one, over its weight, starts its next job that fits. With `offers`, in two levels as in Mesos: all that is free on a node is offered to that pipeline, which starts its jobs there and declines the rest.",
  reads:
    "Demands of models and free resources of nodes; whose batches run; which replicas are idle. Where no model has a demand, replicas are the resource.",
  failsWhen:
    "SLOs differ: it divides resources, not time, and knows no deadline. A pipeline that comes back waits for running batches, as none is pre-empted. `skip` keeps nothing free for large demands, which small ones can keep waiting; `wait` leaves resources idle. Offers are of one node at a time, and a pipeline that answers slowly keeps them from others.",
  source:
    "Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 4; Hindman et al., Mesos, NSDI 2011, section 3; interval, filter and order of nodes as in Mesos' hierarchical allocator. Immediate allocation at events, and answers in twice `answerMs` at most, are ours. Left out of Mesos: roles in a hierarchy, and their quotas, limits and reservations.",
  parameters: z.strictObject({
    weights: z
      .record(z.string(), z.number().positive().min(1e-6).max(1e6))
      .optional()
      .describe("of pipelines, by name: shares are divided by them; default: 1 each"),
    whenFull: z
      .enum(["skip", "wait"])
      .default("skip")
      .describe("whether others go on when the first pipeline's job does not fit; not for offers"),
    allocation: z
      .enum(["direct", "offers"])
      .default("direct")
      .describe("jobs are started at once, or nodes offered to pipelines"),
    ...offerParameters,
  }),
  pipelinesIn: ({ weights = {} }) => namedWeights(weights),
  create: ({ weights = {}, whenFull, allocation, ...times }, context) => {
    const resources = resourcesOf(context.system);
    const shares = new DominantShares(resources.map(({ total }) => total));
    for (const [pipeline, { name, held }] of context.system.pipelines.entries()) {
      if (!held) shares.add(pipeline, Object.hasOwn(weights, name) ? weights[name] : 1);
    }
    const frameworks = new Frameworks(context, resources, shares);
    if (allocation === "offers") return byOffers(frameworks, shares, times, context);
    return directly(frameworks, shares, whenFull === "skip");
  },
});

export const drf: SystemPack = {
  policies: { controller: [controller] },
  presets: {
    drf: preset("Dominant Resource Fairness: the pipeline with the smallest dominant share first", {
      controller: "drf",
    }),
    mesos: preset("Dominant Resource Fairness by offers of nodes to pipelines, as in Mesos", {
      controller: { policy: "drf", allocation: "offers" },
    }),
  },
};
