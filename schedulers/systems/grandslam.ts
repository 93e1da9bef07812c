/**
 * GrandSLAm, reconstructed from its abstract and descriptions by others: no code is public. A
 * request's latency goal is split over the stages of its pipeline, and slack that a stage has not
 * used passes to the next.
 */
import { z } from "zod";
import type { JobView } from "../../engine/dispatch/controller.ts";
import type { Batching, Ordering } from "../../engine/dispatch/policies.ts";
import type { System } from "../../engine/system/system.ts";
import { largestBatch } from "../rules/parameters.ts";
import { definePolicy, preset, type SystemPack } from "../rules/policy-definition.ts";
import { batchWithin, ExpectedWork, waysThrough } from "../rules/ways.ts";

/**
 * By pipeline and task: the share of the goal that is spent when the task ends, 0..1. A stage's share
 * is in proportion to E(1), its mean time for a batch of one; where stages run beside one another, the longest way
 * through the task counts (the paper has chains only).
 */
export function sharesSpent(system: System): number[][] {
  const work = new ExpectedWork(system);
  return system.pipelines.map(({ tasks }) => {
    const own = tasks.map(({ pool }) => work.timeUs(pool, Number.NaN));
    const { before, after } = waysThrough(tasks, own);
    return tasks.map((_, task) => {
      const upTo = before[task] + own[task];
      const whole = upTo + after[task];
      return whole > 0 ? upTo / whole : 1;
    });
  });
}

/**
 * When the job's stage should end, µs: its own slack, and all that earlier stages have left of
 * theirs or overdrawn. Infinity without a deadline.
 */
function dueUs(spent: readonly (readonly number[])[], job: JobView): number {
  const { arrivedUs, deadlineUs, pipeline, task } = job;
  if (deadlineUs === Number.POSITIVE_INFINITY) return deadlineUs;
  return arrivedUs + (deadlineUs - arrivedUs) * spent[pipeline][task];
}

const slackOrder = definePolicy({
  name: "stage-slack",
  summary: "least slack of the stage first",
  idea: "The SLO is split over a pipeline's stages in proportion to their mean times. The job with the least slack goes first: its stage's part, what earlier stages left of theirs, less its wait.",
  reads: "Deadlines, arrivals, and mean service times.",
  failsWhen:
    "The pool is overloaded: it serves jobs that are about to be late anyway. Requests without a deadline come last.",
  source: "Kannan et al., GrandSLAm, EuroSys 2019, sections 4 and 5 (reconstructed).",
  create: (_, { system }): Ordering => {
    const spent = sharesSpent(system);
    return { kind: "keyed", key: (job) => dueUs(spent, job) };
  },
});

const slackBatching = definePolicy({
  name: "slack-bounded",
  summary: "the largest batch that the least slack allows",
  idea: "An idle replica takes the largest batch, of what waits, that is expected to end within the slack of its first job. A job that cannot end in time any more bounds nothing.",
  reads: "Slack as `stage-slack`, which must be the ordering, and mean times of batches.",
  failsWhen:
    "Load is light: it never waits for a larger batch. Batches gain nothing on the device. A late job at the head brings a full batch, which may make those behind it late. SLOs are tight on a longer pipeline: full batches of one size then served a fifth more in our trials.",
  source: "Kannan et al., GrandSLAm, EuroSys 2019, section 5 (reconstructed).",
  parameters: z.strictObject({ maxBatch: largestBatch(64, "jobs in a batch at most") }),
  create: ({ maxBatch }, { system, pool, ...context }): Batching => {
    const most = Math.min(maxBatch, context.maxBatch);
    const spent = sharesSpent(system);
    const { first, count } = system.pools[pool];
    const replicas = system.replicas.slice(first, first + count);
    return {
      kind: "group",
      maxBatch: most,
      perReplica: new Set(replicas.map(({ service }) => service.meanUs[1])).size > 1,
      size: ({ length, next }, replica, nowUs) => {
        const { meanUs } = system.replicas[replica].service;
        const slackUs = dueUs(spent, next) - nowUs;
        const size = Math.min(length, most);
        return batchWithin(meanUs, size, slackUs) || size;
      },
      dueUs: ({ oldestUs }) => oldestUs,
    };
  },
});

export const grandslam: SystemPack = {
  policies: { ordering: [slackOrder], batching: [slackBatching] },
  presets: {
    grandslam: preset(
      "GrandSLAm-style (reconstructed): slack of stages, order and batches by slack",
      {
        ordering: "stage-slack",
        batching: "slack-bounded",
      },
    ),
  },
};
