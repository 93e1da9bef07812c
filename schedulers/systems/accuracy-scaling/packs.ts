/** Proteus and Loki: accuracy scaling by an integer program, routing to variants, and batches. */

import { z } from "zod";
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { Batching, Selection, VariantsView } from "../../../engine/dispatch/policies.ts";
import { placeablePools } from "../../rules/device-slots.ts";
import {
  batchSize,
  defineController,
  definePolicy,
  type PolicyContext,
  preset,
  type SelectionContext,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { leastBy, mostAccurateOf, startsAll } from "../../rules/textbook.ts";
import { aloneUs, batchWithin, goalSharesUs, perUsWithin, startsUs } from "../../rules/ways.ts";
import { AccuracyScaler, parametersOf } from "./scaler.ts";

const shareOfGoal = z
  .number()
  .min(0.01)
  .max(1)
  .default(0.5)
  .describe("share of the SLO for service, split over the tasks; the rest is for waiting");
const maxBatch = batchSize
  .default(64)
  .describe("the most jobs of a batch; the model's own maximum holds too");

const mostAccurateFirst = definePolicy({
  name: "most-accurate-first",
  summary: "the most accurate variant with capacity left in the task's share of the SLO",
  idea: "The most accurate variant that serves what waits and runs there within the task's share of the SLO; where none does, the one that is expected to be done first. A job that comes late to a later task goes to the most accurate variant that makes up for it.",
  reads: "Accuracies, expected service times, replicas that are up, and jobs that wait and run.",
  failsWhen: "No pipeline has an SLO: all jobs go to the most accurate variant.",
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
    const alone = aloneUs(system);
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
        const isFull = (pool: number): boolean => {
          const room = view.readyOf(pool) * perUs[pool] * (budgets[pool] / shareOfGoal);
          return jobsOf(pool, view) + 1 > room;
        };
        const isLate = (pool: number): boolean =>
          reroutes && alone[pool] > leftUs(job, pool, view.nowUs);
        const doneUs = (pool: number): number =>
          alone[pool] * ((jobsOf(pool, view) + 1) / view.readyOf(pool));
        const fitting = ready.filter((pool) => !isFull(pool) && !isLate(pool));
        return mostAccurateOf(system, fitting) ?? leastBy(ready, doneUs) ?? among[0];
      },
    };
  },
});

/** By replica of a pool: the largest batch whose expected time is within the task's share of the goal; at least 1. */
function largestOf(
  { system, pool, maxBatch }: PolicyContext,
  given: number,
  shareOfGoal: number,
): ReadonlyMap<number, number> {
  const { first, count } = system.pools[pool];
  const budgetUs = goalSharesUs(system, shareOfGoal)[pool];
  const replicas = Array.from({ length: count }, (_, i) => first + i);
  return new Map(
    replicas.map((replica) => {
      const { meanUs } = system.replicas[replica].service;
      return [replica, Math.max(1, batchWithin(meanUs, Math.min(given, maxBatch), budgetUs))];
    }),
  );
}

const withinBudget = definePolicy({
  name: "within-budget",
  summary: "what waits, as far as its service fits the task's share of the SLO",
  idea: "Start at once with the jobs that wait, up to the largest batch whose expected time is within the task's share of the SLO.",
  reads: "The length of the queue, expected service times, and SLOs.",
  failsWhen: "A wait for a fuller batch would serve more.",
  source: "Ahmad et al., Loki, HPDC 2024, whose program chooses the batch (reconstructed).",
  parameters: z.strictObject({ shareOfGoal, maxBatch }),
  create: ({ shareOfGoal, maxBatch }, context): Batching => {
    const fits = largestOf(context, maxBatch, shareOfGoal);
    return {
      ...startsAll(Math.max(1, ...fits.values())),
      perReplica: new Set(fits.values()).size > 1,
      size: ({ length }, replica) => Math.min(length, fits.get(replica) ?? 1),
    };
  },
});

const proteusBatching = definePolicy({
  name: "proteus",
  summary: "wait for one more job as long as the first would still be in time with it",
  idea: "With q jobs that wait, wait for another until T_exp(1) − T_proc(q + 1): then the first job would still be served in time with one more. At that instant start the q jobs. Idle replicas wait, so it is not work-conserving.",
  reads:
    "The length of the queue, the deadline of its first job, and expected service times. In a pipeline of several tasks the job expires after the task's share of the SLO.",
  failsWhen:
    "Service takes longer than expected, or jobs have no deadline: they start at once then.",
  source: "Ahmad et al., Proteus, ASPLOS 2024 (adaptive batching).",
  parameters: z.strictObject({ shareOfGoal, maxBatch }),
  create: ({ shareOfGoal, maxBatch }, context): Batching => {
    const { system, pool } = context;
    const { replicas } = system;
    const fits = largestOf(context, maxBatch, shareOfGoal);
    const budgetUs = goalSharesUs(system, shareOfGoal)[pool];
    const expiresUs = ({ deadlineUs, enteredUs }: JobView): number =>
      Math.min(deadlineUs, enteredUs + budgetUs / shareOfGoal);
    return {
      kind: "group",
      maxBatch: Math.max(1, ...fits.values()),
      perReplica: true,
      size({ length, next }, replica, nowUs) {
        const most = fits.get(replica) ?? 1;
        if (length >= most) return most;
        const dueUs = expiresUs(next) - replicas[replica].service.meanUs[length + 1];
        return nowUs >= Math.floor(dueUs) || dueUs === Number.POSITIVE_INFINITY ? length : 0;
      },
      dueUs: ({ length, next }, replica) =>
        Math.floor(expiresUs(next) - replicas[replica].service.meanUs[length + 1]),
    };
  },
});

const IDEA =
  "At each epoch an integer program gives every device slot a variant, so that the expected demand is served and the mean accuracy is the highest. Where no plan serves it, the demand is scaled down in steps of 5 to 10 %. Replicas that are on have their resources at once.";

const proteusController = defineController({
  name: "proteus",
  summary: "one variant for each device, by an integer program at each epoch",
  idea: IDEA,
  reads: "Arrivals of each pipeline, accuracies, and expected service times.",
  failsWhen:
    "Demand changes within an epoch, replicas take long to start, or several replicas of a variant are lost.",
  source:
    "Ahmad et al., Proteus, ASPLOS 2024 (resource management by a MILP, every 30 s). Devices that host the same variants at the same speed are one kind, with a whole number of replicas in place of the paper's binary x for each device. The accuracy of a pipeline of several tasks, which the paper does not have, is linearised by planes. Solved by HiGHS to a hundredth of a point of accuracy, or until the bound on nodes (reconstructed).",
  parameters: parametersOf({ epochS: 30, solveMs: 1000 }),
  create: (parameters, { system }) =>
    placeablePools(system).length === 0 ? undefined : new AccuracyScaler(system, parameters, false),
});

const lokiController = defineController({
  name: "loki",
  summary: "fewest devices at the best accuracy, else the best accuracy on all devices",
  idea: `${IDEA} While the most accurate variants of all tasks serve the demand, only the devices that they need are on.`,
  reads: "Arrivals of each pipeline, accuracies, and expected service times.",
  failsWhen:
    "Demand changes within an epoch, or replicas take long to start: few are on while load is low.",
  source:
    "Ahmad et al., Loki, HPDC 2024 (hardware scaling, then accuracy scaling, every 10 s). Left out of its program: the batch sizes y (a fixed split of half the SLO gives them), the flows c of each path through the pipeline, and the multiplicative factors m of tasks that fan out (reconstructed).",
  parameters: parametersOf({ epochS: 10, solveMs: 500 }),
  create: (parameters, { system }) =>
    placeablePools(system).length === 0 ? undefined : new AccuracyScaler(system, parameters, true),
});

export const proteus: SystemPack = {
  policies: {
    selection: [mostAccurateFirst],
    batching: [withinBudget, proteusBatching],
    controller: [proteusController, lokiController],
  },
  presets: {
    proteus: preset("accuracy scaling: variants by an integer program, batches that wait", {
      selection: { policy: "most-accurate-first", reroutes: false },
      batching: "proteus",
      shedding: "expected-late",
      controller: "proteus",
    }),
  },
};

export const loki: SystemPack = {
  presets: {
    loki: preset("hardware and accuracy scaling of pipelines, late jobs to faster variants", {
      selection: "most-accurate-first",
      batching: "within-budget",
      shedding: "expected-late",
      controller: "loki",
    }),
  },
};
