/** Dominant Resource Fairness among pipelines, at once or by Mesos' offers. */
import { z } from "zod";
import type { ClusterView, Controller, Controls } from "../../../core/dispatch/controller.ts";
import { defineController, namedWeights } from "../../rules/policy-definition.ts";
import { preset, type SystemPack } from "../system-pack.ts";
import { Frameworks } from "./frameworks.ts";
import { Offers, offerParameters } from "./offers.ts";

const EVERYWHERE = (): boolean => true;

/** How resources go to pipelines. */
type Allocation = Pick<Controller, "timers" | "queued" | "begin" | "woken" | "decide">;

/** One level: at each event, the next job of the pipeline with the smallest dominant share. */
function directly(frameworks: Frameworks, skips: boolean): Allocation {
  const startsOne = (view: ClusterView, act: Controls): boolean => {
    for (const pipeline of frameworks.shares.order()) {
      if (frameworks.startNext(pipeline, view, act, EVERYWHERE) >= 0) return true;
      if (!skips && frameworks.waitsForRoom(pipeline, view)) return false;
    }
    return false;
  };
  return {
    timers: 0,
    decide: (view, act) => {
      while (startsOne(view, act));
    },
  };
}

function controllerOf(frameworks: Frameworks, allocation: Allocation): Controller {
  return {
    ...{ pools: frameworks.pools, scales: [], timers: allocation.timers, heedsResources: true },
    queued: (job, pool) => {
      frameworks.queued(job, pool);
      allocation.queued?.(job, pool);
    },
    ended: (request) => frameworks.ended(request),
    finished: (end) => frameworks.finished(end),
    changed: (replica, state) => frameworks.changed(replica, state),
    begin: (view, act) => {
      frameworks.begin(view);
      allocation.begin?.(view, act);
    },
    woken: (timer, view, act) => allocation.woken?.(timer, view, act),
    decide: (view, act) => allocation.decide?.(view, act),
  };
}

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
    ...offerParameters,
  }),
  pipelinesIn: ({ weights = {} }) => namedWeights(weights),
  create: ({ weights = {}, whenFull, allocation, ...times }, { system, pools, rng }) => {
    const frameworks = new Frameworks(system, pools, weights);
    const way =
      allocation === "direct"
        ? directly(frameworks, whenFull === "skip")
        : new Offers(frameworks, system.nodes.length, times, rng());
    return controllerOf(frameworks, way);
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
