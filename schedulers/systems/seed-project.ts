/** The two schedulers of the 2020 report that this project grew from, kept for comparison only. */
import { preset, type SystemPack } from "./system-pack.ts";

export const seedProject: SystemPack = {
  presets: {
    "seed-idle-queue": preset(
      "the seed project's first: longest idle instance, FIFO, no batching",
      { routing: { policy: "central", idle: "longest-idle" } },
    ),
    "seed-batching": preset("the seed project's second: stack of idle workers, batches, 1 s tick", {
      routing: { policy: "central", idle: "most-recent" },
      batching: { policy: "size-or-timeout", maxBatch: 3, waitMs: 2000, tickMs: 1000 },
    }),
  },
};
