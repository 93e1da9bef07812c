/** Clipper (Crankshaw et al., NSDI 2017): adaptive batches, learnt variants, ensembles, joins without stragglers. */
import { preset, type SystemPack } from "../../rules/policy-definition.ts";
import { adaptive } from "./adaptive.ts";
import { epsilonGreedy } from "./epsilon-greedy.ts";
import { exp3, exp4 } from "./exponential-weights.ts";
import { joinDeadline } from "./join-deadline.ts";
import { allVariants } from "./selection.ts";

export const clipper: SystemPack = {
  policies: {
    selection: [exp3, exp4, epsilonGreedy, allVariants],
    batching: [adaptive],
    controller: [joinDeadline],
  },
  presets: {
    clipper: preset(
      "AIMD batches by each replica's latency, variants by feedback, joins without stragglers",
      { selection: "exp3", batching: "adaptive", controller: "join-deadline" },
    ),
  },
};
