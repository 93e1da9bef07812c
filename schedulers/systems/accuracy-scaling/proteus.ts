/** Proteus (Ahmad et al., ASPLOS 2024): accuracy scaling by an integer program, and batches that wait. */
import { z } from "zod";
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { Batching } from "../../../engine/dispatch/policies.ts";
import { placeablePools } from "../../rules/device-slots.ts";
import {
  defineController,
  definePolicy,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { goalSharesUs } from "../../rules/ways.ts";
import { AccuracyScaler, IDEA, parametersOf } from "./scaler.ts";
import { largestOf, maxBatch, shareOfGoal } from "./within-share.ts";

const batching = definePolicy({
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

const controller = defineController({
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

export const proteus: SystemPack = {
  policies: { batching: [batching], controller: [controller] },
  presets: {
    proteus: preset("accuracy scaling: variants by an integer program, batches that wait", {
      selection: { policy: "most-accurate-first", reroutes: false },
      batching: "proteus",
      shedding: "expected-late",
      controller: "proteus",
    }),
  },
};
