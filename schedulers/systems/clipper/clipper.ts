/** Clipper (Crankshaw et al., NSDI 2017): adaptive batches, learnt variants, joins without stragglers. */
import { preset, type SystemPack } from "../system-pack.ts";
import { adaptive } from "./adaptive-batching.ts";
import { joinDeadline } from "./join-deadline.ts";
import { epsilonGreedy, exp3 } from "./learnt-selection.ts";

export { EpsilonGreedy, Exp3, Exp4, type Selector, vote } from "./selection.ts";

export const clipper: SystemPack = {
  policies: {
    selection: [exp3, epsilonGreedy],
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
