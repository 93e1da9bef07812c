/** Clipper (Crankshaw et al., NSDI 2017): adaptive batches, learnt variants, ensembles, joins without stragglers. */
import { preset, type SystemPack } from "../system-pack.ts";
import { adaptive } from "./adaptive-batching.ts";
import { joinDeadline } from "./join-deadline.ts";
import { allVariants, epsilonGreedy, exp3, exp4 } from "./learnt-selection.ts";

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
