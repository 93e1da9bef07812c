/** Proteus and Loki: accuracy scaling by an integer program, with their rules. */
import { defineController } from "../../rules/policy-definition.ts";
import { preset, type SystemPack } from "../system-pack.ts";
import { mostAccurateFirst, proteusBatching, withinBudget } from "./rules.ts";
import { accuracyScaler, parametersOf } from "./scaler.ts";

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
    "Ahmad et al., Proteus, ASPLOS 2024 (resource management by a MILP, every 30 s). Ours is solved exactly by branch and bound within a bound on nodes, as the accuracy of a pipeline is no linear objective, and is for replicas of equal speed (reconstructed).",
  parameters: parametersOf({ epochS: 30, solveMs: 1000, headroom: 1.05 }),
  create: (parameters, { system }) => accuracyScaler(system, parameters, false),
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
  create: (parameters, { system }) => accuracyScaler(system, parameters, true),
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
