/**
 * NVIDIA Triton's dynamic batcher. Its parts here: preferred sizes and max_queue_delay are the
 * batching `preferred-sizes`; priority levels are the ordering `priority` (Triton's level 1 is the
 * greatest number here); timeouts with the action REJECT are the shedding `queue-timeout`; an
 * instance group is the replicas of a task, whose idle ones take from one queue. The timeout action
 * DELAY and max_queue_size are not here.
 */
import { preset, type SystemPack } from "./system-pack.ts";

export const triton: SystemPack = {
  presets: {
    triton: preset("one central queue by priority, preferred batch sizes, timeouts in the queue", {
      ordering: "priority",
      batching: "preferred-sizes",
      shedding: "queue-timeout",
    }),
  },
};
