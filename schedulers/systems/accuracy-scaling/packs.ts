/** Proteus and Loki: accuracy scaling by an integer program, with their rules. */
import { z } from "zod";
import type { Controller } from "../../../core/dispatch/controller.ts";
import { defineController } from "../../rules/policy-definition.ts";
import { preset, type SystemPack } from "../system-pack.ts";
import { mostAccurateFirst, proteusBatching, withinBudget } from "./rules.ts";
import { AccuracyScaler } from "./scaler.ts";

/** An epoch has time for its plan. */
const parametersOf = (usual: {
  readonly epochS: number;
  readonly solveMs: number;
  readonly headroom: number;
}) =>
  z.strictObject({
    epochS: z
      .number()
      .min(0.001)
      .max(1e6)
      .default(usual.epochS)
      .describe("time from a plan to the next, in s; the first comes after 1 s at the latest"),
    solveMs: z
      .number()
      .nonnegative()
      .max(1e9)
      .default(usual.solveMs)
      .describe("time that a solver takes: a plan takes effect so much after its epoch, in ms"),
    newest: z
      .number()
      .gt(0)
      .max(1)
      .default(0.5)
      .describe("weight of the newest epoch in the moving average of the demand"),
    headroom: z
      .number()
      .min(1)
      .max(10)
      .default(usual.headroom)
      .describe("the plan serves so many times the expected demand"),
    startPerS: z
      .number()
      .gt(0)
      .max(1e9)
      .default(1)
      .describe("requests per s of each pipeline that are expected before the first epoch"),
    shareOfGoal: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe("share of the latency goal for service; batches must fit it"),
    devices: z
      .int()
      .positive()
      .max(100_000)
      .optional()
      .describe("replicas that are on at once; default: one for each device slot"),
    mostNodes: z
      .int()
      .positive()
      .max(100_000_000)
      .default(20_000)
      .describe("the search for a plan ends after so many nodes, with the best so far"),
  });

type Parameters = z.infer<ReturnType<typeof parametersOf>>;

function scaler(
  { epochS, solveMs, devices, startPerS, shareOfGoal, ...rest }: Parameters,
  saves: boolean,
  system: ConstructorParameters<typeof AccuracyScaler>[0],
): Controller | undefined {
  if (system.pipelines.every(({ held }) => held)) return undefined;
  const times = { epochUs: Math.round(epochS * 1e6), solveUs: Math.round(solveMs * 1000) };
  const options = { ...times, ...rest, startPerS, shareOfGoal, devices: devices ?? null, saves };
  return new AccuracyScaler(system, options);
}

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
    "Ahmad et al., Proteus, ASPLOS 2024 (resource management by a MILP, every 30 s). Ours is solved exactly within a bound on nodes, and is for replicas of equal speed (reconstructed).",
  parameters: parametersOf({ epochS: 30, solveMs: 1000, headroom: 1.05 }),
  create: (parameters, { system }) => scaler(parameters, false, system),
});

const lokiController = defineController({
  name: "loki",
  summary: "fewest devices at the best accuracy, else the best accuracy on all devices",
  idea: `${IDEA} While the most accurate variants of all tasks serve the demand, only the devices that they need are on.`,
  reads: "Arrivals of each pipeline, accuracies, and expected service times.",
  failsWhen:
    "Demand changes within an epoch, or replicas take long to start: few are on while load is low.",
  source:
    "Ahmad et al., Loki, HPDC 2024 (hardware scaling, then accuracy scaling, every 10 s). Batches come from a fixed split of half the goal, not from the program (reconstructed).",
  parameters: parametersOf({ epochS: 10, solveMs: 500, headroom: 1.05 }),
  create: (parameters, { system }) => scaler(parameters, true, system),
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
