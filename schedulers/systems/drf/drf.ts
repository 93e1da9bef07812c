/** Dominant Resource Fairness (`dominant-shares.ts`) directly, or by offers as in Mesos (`mesos.ts`). */
import { z } from "zod";
import {
  defineController,
  namedWeights,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { type Decider, Frameworks } from "./frameworks.ts";
import { Offers, offerParameters } from "./mesos.ts";

/** At each event, the next job of the pipeline with the smallest dominant share. */
const directly = (frameworks: Frameworks, skips: boolean): Decider => ({
  decide: (view, act) => {
    const startsOne = (): boolean => {
      for (const pipeline of frameworks.shares.order()) {
        if (frameworks.startNext(pipeline, view, act) !== undefined) return true;
        const waiting = frameworks.waiting(pipeline, view);
        // Its job can start once others have ended.
        if (!skips && waiting.some((pool) => view.readyOf(pool) > 0)) return false;
      }
      return false;
    };
    while (startsOne());
  },
});

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
  create: ({ weights = {}, whenFull, allocation, ...times }, context) =>
    new Frameworks(context, weights, (own) =>
      allocation === "offers"
        ? new Offers(own, times, context.rng())
        : directly(own, whenFull === "skip"),
    ),
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
