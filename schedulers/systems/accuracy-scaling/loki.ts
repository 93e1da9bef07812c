/** Loki (Ahmad et al., HPDC 2024): hardware and accuracy scaling of pipelines, and late jobs to faster variants. */
import { z } from "zod";
import { leastBy } from "../../../engine/basics/iterables.ts";
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { Batching, Selection, VariantsView } from "../../../engine/dispatch/policies.ts";
import { placeablePools } from "../../rules/device-slots.ts";
import { flag } from "../../rules/parameters.ts";
import {
  defineController,
  definePolicy,
  preset,
  type SelectionContext,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { mostAccurateOf, startsAll } from "../../rules/textbook.ts";
import { aloneUs, goalSharesUs, perUsWithin, startsUs } from "../../rules/ways.ts";
import { AccuracyScaler, IDEA, parametersOf } from "./scaler.ts";
import { largestOf, maxBatch, shareOfGoal } from "./within-share.ts";

const mostAccurateFirst = definePolicy({
  name: "most-accurate-first",
  summary: "the most accurate variant with capacity left in the task's share of the SLO",
  idea: "The most accurate variant that serves what waits and runs there within the task's share of the SLO; where none does, the one that is expected to be done first. A job that comes late to a later task goes to the most accurate variant that makes up for it.",
  reads: "Accuracies, expected service times, replicas that are up, and jobs that wait and run.",
  failsWhen: "No pipeline has an SLO: all jobs go to the most accurate variant.",
  source:
    "Ahmad et al., Loki, HPDC 2024 (MostAccurateFirst routing and opportunistic rerouting); capacity left is read from queues here, not from a table of the last epoch (reconstructed). A late job that no variant makes up for is dropped there; here it is served where it is done first, if a shedding rule like `expected-late` leaves it.",
  parameters: z.strictObject({
    shareOfGoal,
    reroutes: flag("whether late jobs get faster variants"),
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
          alone[pool] * Math.max(1, (jobsOf(pool, view) + 1) / view.readyOf(pool));
        const fitting = ready.filter((pool) => !isFull(pool) && !isLate(pool));
        return mostAccurateOf(system, fitting) ?? leastBy(ready, doneUs) ?? among[0];
      },
    };
  },
});

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

const controller = defineController({
  name: "loki",
  summary: "fewest devices at the best accuracy, else the best accuracy on all devices",
  idea: `${IDEA} While the most accurate variants of all tasks serve the demand, only the devices that they need are on.`,
  reads: "Arrivals of each pipeline, accuracies, and expected service times.",
  failsWhen:
    "Demand changes within an epoch, or replicas take long to start: few are on while load is low.",
  source:
    "Ahmad et al., Loki, HPDC 2024 (hardware scaling, then accuracy scaling, every 10 s). Left out of its program: the batch sizes y (a fixed split of half the SLO gives them), the flows c of each path through the pipeline, and the multiplicative factors m of tasks that fan out (reconstructed). Where its first step runs out of nodes, no device is switched off, and no demand is given up for it.",
  parameters: parametersOf({ epochS: 10, solveMs: 500 }),
  create: (parameters, { system }) =>
    placeablePools(system).length === 0 ? undefined : new AccuracyScaler(system, parameters, true),
});

export const loki: SystemPack = {
  policies: {
    selection: [mostAccurateFirst],
    batching: [withinBudget],
    controller: [controller],
  },
  presets: {
    loki: preset("hardware and accuracy scaling of pipelines, late jobs to faster variants", {
      selection: "most-accurate-first",
      batching: "within-budget",
      shedding: "expected-late",
      controller: "loki",
    }),
  },
};
