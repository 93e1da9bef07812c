/** Dominant Resource Fairness among pipelines, at once or by Mesos' offers. */
import { z } from "zod";
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../core/dispatch/controller.ts";
import { Fault } from "../../../core/fault.ts";
import { didYouMean } from "../../../core/scenario/issues.ts";
import type { System } from "../../../core/system.ts";
import { defineController } from "../../rules/policy-definition.ts";
import { preset, type SystemPack } from "../system-pack.ts";
import { Frameworks } from "./frameworks.ts";
import { Offers } from "./offers.ts";

const EVERYWHERE = (): boolean => true;

/** One level: at each event, the next job of the pipeline with the smallest dominant share. */
class DirectAllocation implements Controller {
  readonly pools: readonly number[];
  readonly scales = [];
  readonly timers = 0;
  readonly heedsResources = true;
  readonly #frameworks: Frameworks;
  readonly #skips: boolean;

  constructor(frameworks: Frameworks, whenFull: "skip" | "wait") {
    this.#frameworks = frameworks;
    this.pools = frameworks.pools;
    this.#skips = whenFull === "skip";
  }

  queued(job: JobView, pool: number): void {
    this.#frameworks.queued(job, pool);
  }

  ended(request: number): void {
    this.#frameworks.ended(request);
  }

  finished(end: BatchEnd): void {
    this.#frameworks.finished(end);
  }

  changed(replica: number, state: "up" | "down" | "left"): void {
    this.#frameworks.changed(replica, state);
  }

  begin(view: ClusterView): void {
    this.#frameworks.begin(view);
  }

  decide(view: ClusterView, act: Controls): void {
    while (this.#startOne(view, act));
  }

  #startOne(view: ClusterView, act: Controls): boolean {
    for (const pipeline of this.#frameworks.shares.order()) {
      if (this.#frameworks.startNext(pipeline, view, act, EVERYWHERE) >= 0) return true;
      if (!this.#skips && this.#frameworks.waitsForRoom(pipeline, view)) return false;
    }
    return false;
  }
}

const seconds = z.number().nonnegative().max(1e6);

const controller = defineController({
  name: "drf",
  summary: "the pipeline with the smallest dominant share is served next",
  idea:
    "Max-min fairness over several resources: a pipeline's dominant share is the largest that its " +
    "running batches hold of any resource, and the pipeline with the smallest one, over its " +
    "weight, starts its next job that fits. With `offers`, in two levels as in Mesos: all that is " +
    "free on a node is offered to that pipeline, which starts its jobs there and declines the rest.",
  reads:
    "Demands of models and free resources of nodes; whose batches run; which replicas are idle. " +
    "Where no model has a demand, replicas are the resource.",
  failsWhen:
    "Latency goals differ: it divides resources, not time, and knows no deadline. A pipeline that " +
    "comes back waits for running batches, as none is pre-empted. `skip` keeps nothing free for " +
    "large demands, which small ones can keep waiting; `wait` leaves resources idle. Offers are " +
    "of one node at a time, and a pipeline that answers slowly keeps them from others.",
  source:
    "Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 4; Hindman et al., Mesos, NSDI " +
    "2011, section 3; interval, filter and order of nodes as in Mesos' hierarchical allocator. " +
    "Immediate allocation at events, and answers in twice `answerMs` at most, are ours.",
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
    allocationIntervalS: seconds.min(0.001).default(1).describe("s between rounds of offers"),
    atEvents: z
      .boolean()
      .default(true)
      .describe("offers also when jobs arrive, batches end or offers are declined"),
    refuseS: seconds.default(5).describe("s in which a pipeline gets no offer of what it declined"),
    offerTimeoutS: seconds
      .positive()
      .optional()
      .describe("s after which an offer without an answer is rescinded; default: never"),
    answerMs: seconds
      .default(0)
      .describe("mean ms of a pipeline's answer, drawn evenly between 0 and twice that"),
    revives: z
      .boolean()
      .default(true)
      .describe("a pipeline without jobs gets no offers, and its next job ends its filters"),
  }),
  create: ({ weights = {}, whenFull, allocation, ...times }, { system, pools, rng }) => {
    checkWeights(weights, system);
    const frameworks = new Frameworks(system, pools, weights);
    if (allocation === "direct") return new DirectAllocation(frameworks, whenFull);
    const { atEvents, revives, offerTimeoutS = Number.POSITIVE_INFINITY } = times;
    const us = (s: number): number => Math.round(s * 1e6);
    const offerTimes = {
      ...{ atEvents, revives },
      intervalUs: us(times.allocationIntervalS),
      refuseUs: us(times.refuseS),
      timeoutUs: us(offerTimeoutS),
      answerUs: Math.round(times.answerMs * 1000),
    };
    return new Offers(frameworks, system.nodes.length, offerTimes, rng());
  },
});

/** Throws Fault("invalid-input") for a weight of no pipeline. */
function checkWeights(weights: Readonly<Record<string, number>>, { pipelines }: System): void {
  const names = pipelines.map(({ name }) => name);
  const issues = Object.keys(weights)
    .filter((name) => !names.includes(name))
    .map((name) => {
      const hint = didYouMean(name, names);
      const message = `drf: no pipeline is called "${name}"`;
      const issue = { path: `scheduler.controller.weights.${name}`, message };
      return hint === undefined ? issue : { ...issue, hint };
    });
  if (issues.length > 0) throw new Fault("invalid-input", issues[0].message, { issues });
}

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
