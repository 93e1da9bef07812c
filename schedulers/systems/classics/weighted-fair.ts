/** Weighted fair queueing of pipelines. */
import { z } from "zod";
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { Ordering } from "../../../engine/dispatch/policies.ts";
import { positive } from "../../rules/parameters.ts";
import { definePolicy, namedWeights } from "../../rules/policy-definition.ts";
import { ExpectedWork } from "../../rules/ways.ts";

export const weightedFair = definePolicy({
  name: "weighted-fair",
  summary: "pipelines share the pool's time by weight",
  idea: "Each pipeline gets its weight's share of the pool's time while it has jobs waiting. A job's virtual finish is its pipeline's last, or the virtual time if that is later, plus its expected service over the weight; the earliest goes first. The virtual time is the finish of the job that was taken last. A job that leaves unserved gives its part back.",
  reads: "Weights, the pipelines of jobs, and mean service times.",
  failsWhen:
    "Times vary much from their means: shares are by expected time. Clients give up: jobs behind one that left keep their places, and shares are off by some percent.",
  source:
    "Demers, Keshav & Shenker, SIGCOMM 1989; the virtual time of self-clocked fair queueing: Golestani, INFOCOM 1994, section 3.",
  parameters: z.strictObject({
    weights: z
      .record(z.string(), positive())
      .default({})
      .describe("weight by pipeline; 1 for a pipeline that is not named")
      .meta({ examples: [{ urgent: 3 }] }),
  }),
  pipelinesIn: ({ weights }) => namedWeights(weights),
  create: ({ weights }, { system, pool }): Ordering => {
    const names = system.pipelines.map(({ name }) => name);
    const work = new ExpectedWork(system);
    const shareOf = ({ pipeline, inputSize }: JobView): number =>
      work.timeUs(pool, inputSize) / (weights[names[pipeline]] ?? 1);
    /** By pipeline: the virtual finish of its last job. */
    const last = new Float64Array(names.length);
    let virtual = 0;
    return {
      kind: "keyed",
      key: (job) => {
        const { pipeline } = job;
        last[pipeline] = Math.max(virtual, last[pipeline]) + shareOf(job);
        return last[pipeline];
      },
      left: (job) => {
        last[job.pipeline] -= shareOf(job);
      },
      taken: (finish) => {
        virtual = Math.max(virtual, finish);
      },
    };
  },
});
