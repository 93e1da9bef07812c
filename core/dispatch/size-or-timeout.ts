/** Starts a batch when it is full, or when its oldest job has waited long enough. */
import type { QueueView } from "./controller.ts";
import type { GroupBatching } from "./policies.ts";

/** Timeouts are seen only at multiples of `tickUs`; 0: at once. */
export function sizeOrTimeout(maxBatch: number, waitUs: number, tickUs: number): GroupBatching {
  const dueUs = ({ oldestUs }: QueueView): number =>
    tickUs === 0 ? oldestUs + waitUs : Math.ceil((oldestUs + waitUs) / tickUs) * tickUs;
  return {
    kind: "group",
    maxBatch,
    size: (queue, _, nowUs) => {
      if (queue.length >= maxBatch) return maxBatch;
      return nowUs >= dueUs(queue) ? queue.length : 0;
    },
    dueUs,
  };
}

/**
 * Some replicas batch by limits of their own, set while the run goes on (`setBatch`), the others as
 * the pool does.
 */
export class ReplicaBatching implements GroupBatching {
  readonly kind = "group";
  readonly perReplica = true;
  readonly maxBatch: number;
  /** The replicas with limits of their own. */
  readonly own = new Map<number, GroupBatching>();

  constructor(private readonly pool: GroupBatching) {
    this.maxBatch = pool.maxBatch;
  }

  maxBatchOf(replica: number): number {
    return this.own.get(replica)?.maxBatch ?? this.maxBatch;
  }

  size(queue: QueueView, replica: number, nowUs: number): number {
    return (this.own.get(replica) ?? this.pool).size(queue, replica, nowUs);
  }

  dueUs(queue: QueueView, replica: number): number {
    return (this.own.get(replica) ?? this.pool).dueUs(queue, replica);
  }
}
