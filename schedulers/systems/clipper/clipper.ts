/** Clipper (Crankshaw et al., NSDI 2017): adaptive batches and joins without stragglers. */
import { preset, type SystemPack } from "../system-pack.ts";
import { adaptive } from "./adaptive-batching.ts";
import { joinDeadline } from "./join-deadline.ts";

export { EpsilonGreedy, Exp3, Exp4, type Selector, vote } from "./selection.ts";

export const clipper: SystemPack = {
  policies: { batching: [adaptive], controller: [joinDeadline] },
  presets: {
    clipper: preset("AIMD batches by each replica's latency, joins without stragglers", {
      batching: "adaptive",
      controller: "join-deadline",
    }),
  },
};
