/** The rules of Proteus and Loki: routing to variants, and batches. */
import { z } from "zod";
import type { JobView } from "../../../core/dispatch/controller.ts";
import type { Batching, Selection, VariantsView } from "../../../core/dispatch/policies.ts";
import { startsAll } from "../../rules/batching.ts";
import { batchSize } from "../../rules/parameters.ts";
import {
  type BatchingContext,
  definePolicy,
  type SelectionContext,
} from "../../rules/policy-definition.ts";
import { goalSharesUs } from "../../rules/ways.ts";
import { batchOf, perUsWithin, startsUs } from "./budgets.ts";

const shareOfGoal = z
  .number()
  .min(0.01)
  .max(1)
  .default(0.5)
  .describe("share of the latency goal for service, split over the tasks; the rest is for waiting");
const maxBatch = batchSize
  .default(64)
  .describe("the most jobs of a batch; the model's own maximum holds too");

export const mostAccurateFirst = definePolicy({
  name: "most-accurate-first",
  summary: "the most accurate variant with capacity left in the task's share of the goal",
  idea: "The most accurate variant that serves what waits and runs there within the task's share of the latency goal; where none does, the one that is expected to be done first. A job that comes late to a later task goes to the most accurate variant that makes up for it.",
  reads: "Accuracies, expected service times, replicas that are up, and jobs that wait and run.",
  failsWhen: "No pipeline has a goal: all jobs go to the most accurate variant.",
  source:
    "Ahmad et al., Loki, HPDC 2024 (MostAccurateFirst routing and opportunistic rerouting); capacity left is read from queues here, not from a table of the last epoch (reconstructed).",
  parameters: z.strictObject({
    shareOfGoal,
    reroutes: z.boolean().default(true).describe("whether late jobs get faster variants"),
  }),
  create: ({ shareOfGoal, reroutes }, { system }: SelectionContext): Selection => {
    const budgets = goalSharesUs(system, shareOfGoal);
    const starts = startsUs(system, budgets);
    const perUs = system.pools.map(({ count }, pool) =>
      count === 0 ? 0 : perUsWithin(system, pool, budgets[pool]),
    );
    const aloneUs = system.pools.map(({ first, count }) =>
      count === 0 ? Number.POSITIVE_INFINITY : system.replicas[first].service.meanUs[1],
    );
    const accuracyOf = (pool: number): number => system.pools[pool].accuracy ?? 0;
    const jobsOf = (pool: number, view: VariantsView): number => {
      const { waiting, running } = view.loadOf(pool);
      return waiting + running;
    };
    /** Time that a late job may still take, to be as early as planned after this task. */
    const leftUs = (job: JobView, pool: number, nowUs: number): number => {
      const plannedUs = job.arrivedUs + starts[job.pipeline][job.task] / shareOfGoal;
      return budgets[pool] / shareOfGoal - Math.max(0, nowUs - plannedUs);
    };
    return {
      choose: (job, among, view) => {
        const ready = among.filter((pool) => view.readyOf(pool) > 0);
        let best = -1;
        for (const pool of ready) {
          const room = view.readyOf(pool) * perUs[pool] * (budgets[pool] / shareOfGoal);
          if (jobsOf(pool, view) + 1 > room) continue;
          if (reroutes && aloneUs[pool] > leftUs(job, pool, view.nowUs)) continue;
          if (best < 0 || accuracyOf(pool) > accuracyOf(best)) best = pool;
        }
        if (best >= 0) return best;
        const doneUs = (pool: number): number =>
          aloneUs[pool] * ((jobsOf(pool, view) + 1) / view.readyOf(pool));
        return ready.reduce(
          (first, pool) => (first < 0 || doneUs(pool) < doneUs(first) ? pool : first),
          ready.length === 0 ? among[0] : -1,
        );
      },
    };
  },
});

/** The largest batch whose expected time is within the task's share of the goal; at least 1. */
function largestOf(
  { system, pool, maxBatch }: BatchingContext,
  given: number,
  shareOfGoal: number,
): number {
  const limit = Math.min(given, maxBatch);
  if (system === null || system.pools[pool].count === 0) return limit;
  const budgetUs = goalSharesUs(system, shareOfGoal)[pool];
  return Math.max(1, Math.min(limit, batchOf(system, pool, budgetUs)));
}

export const withinBudget = definePolicy({
  name: "within-budget",
  summary: "what waits, as far as its service fits the task's share of the goal",
  idea: "Start at once with the jobs that wait, up to the largest batch whose expected time is within the task's share of the latency goal.",
  reads: "The length of the queue, expected service times, and latency goals.",
  failsWhen:
    "A wait for a fuller batch would serve more. Replicas differ in speed: the first of the task stands for all.",
  source: "Ahmad et al., Loki, HPDC 2024, whose program chooses the batch (reconstructed).",
  parameters: z.strictObject({ shareOfGoal, maxBatch }),
  create: ({ shareOfGoal, maxBatch }, context: BatchingContext): Batching =>
    startsAll(largestOf(context, maxBatch, shareOfGoal)),
});

export const proteusBatching = definePolicy({
  name: "proteus",
  summary: "wait for one more job as long as the first would still be in time with it",
  idea: "With q jobs that wait, wait for another until T_exp(1) − T_proc(q + 1): then the first job would still be served in time with one more. At that instant start the q jobs. Idle replicas wait, so it is not work-conserving.",
  reads:
    "The length of the queue, the deadline of its first job, and expected service times. In a pipeline of several tasks the job expires after the task's share of the goal.",
  failsWhen:
    "Service takes longer than expected, or jobs have no deadline: they start at once then. Replicas differ in speed: the largest batch is that of the task's first.",
  source: "Ahmad et al., Proteus, ASPLOS 2024 (adaptive batching).",
  parameters: z.strictObject({ shareOfGoal, maxBatch }),
  create: ({ shareOfGoal, maxBatch }, context: BatchingContext): Batching => {
    const { system, pool } = context;
    const fits = largestOf(context, maxBatch, shareOfGoal);
    if (system === null || system.pools[pool].count === 0) return startsAll(fits);
    const { replicas } = system;
    const budgetUs = goalSharesUs(system, shareOfGoal)[pool];
    const expiresUs = ({ deadlineUs, enteredUs }: JobView): number =>
      Math.min(deadlineUs, enteredUs + budgetUs / shareOfGoal);
    return {
      kind: "group",
      maxBatch: fits,
      perReplica: true,
      size({ length, next }, replica, nowUs) {
        if (length >= fits) return fits;
        const dueUs = expiresUs(next) - replicas[replica].service.meanUs[length + 1];
        return nowUs >= Math.floor(dueUs) || dueUs === Number.POSITIVE_INFINITY ? length : 0;
      },
      dueUs: ({ length, next }, replica) =>
        Math.floor(expiresUs(next) - replicas[replica].service.meanUs[length + 1]),
    };
  },
});
