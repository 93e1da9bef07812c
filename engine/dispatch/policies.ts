/**
 * The parts of a scheduler: one small rule per decision, and controllers (`controller.ts`) for what
 * rules cannot say. Both see only what a gateway can know: queues, loads, which replicas are up,
 * expected (never sampled) service times.
 */
import type { BatchEnd, ClusterView, Controller, JobView, QueueView } from "./controller.ts";

/** The questions that a routing rule may ask of its pool. Replica ids are the system's. */
export interface PoolView {
  /** Replicas that are up; may be 0 only outside `route`. */
  readonly upCount: number;
  /** The i-th replica that is up, 0 <= i < upCount. */
  upAt(i: number): number;
  /** Jobs queued at or running on a replica. */
  load(replica: number): number;
  /** A replica with the least load. O(1) if the policy of the pool needs "length", else O(replicas). */
  leastLoaded(): number;
  /** A replica expected to be free first. O(1) if the policy needs "work", else O(replicas). */
  soonestFree(): number;
}

/** Which replica takes a job: chosen on arrival, or left open until a replica is idle. */
export type Routing =
  | { readonly kind: "central"; readonly idle: "longest-idle" | "most-recent" }
  | ImmediateRouting;

export interface ImmediateRouting {
  readonly kind: "immediate";
  /** The index that the pool must keep for this policy. */
  readonly needs: "nothing" | "length" | "work";
  /** Whether `route` may keep a job back, by −1: it waits in the pool's queue, by the ordering. */
  readonly holds?: boolean;
  /** Asked again for a job that it keeps back when anything about the pool changes. */
  route(pool: PoolView, job: JobView): number;
}

/** The job that is served next. */
export type Ordering = { readonly kind: "fifo" } | { readonly kind: "lifo" } | KeyedOrdering;

/** Smallest key first, equal keys in order of entry; times are µs since the run's start. */
interface KeyedOrdering {
  readonly kind: "keyed";
  /** Asked once each time that a job comes to wait in the pool. */
  key(job: JobView): number;
  /** Hears the key of each job that this order takes from a queue. With it, `key` may keep state. */
  taken?(key: number): void;
  /** Hears a job that leaves the pool unserved, or is about to get a new key. */
  left?(job: JobView): void;
}

/** How many jobs start together, and how long an incomplete batch waits for more. */
export type Batching =
  /** Every job starts alone, as soon as it can. */
  { readonly kind: "single"; readonly maxBatch: 1 } | GroupBatching;

export interface GroupBatching {
  readonly kind: "group";
  readonly maxBatch: number;
  /** Whether the answers depend on the replica: then every idle one is asked, else the first. */
  readonly perReplica?: boolean;
  /** Jobs to start now on an idle replica, 1..maxBatch; 0: wait until `dueUs`. */
  size(queue: QueueView, replica: number, nowUs: number): number;
  /** When to ask again. */
  dueUs(queue: QueueView, replica: number): number;
  /** Heard when a batch of its pool ends, before the decisions of that instant. */
  ended?(end: BatchEnd): void;
}

/** Whether a job that is about to start is dropped instead, with its request: it would be too late. */
export type Shedding = (job: JobView, replica: number, size: number, nowUs: number) => boolean;

/** The pools of a task's variants, as a selection sees them. Ids are the system's. */
export type VariantsView = Pick<ClusterView, "nowUs" | "readyOf" | "loadOf">;

/**
 * Which variant of its task serves a job: asked when it becomes ready, when its replica was lost, and
 * when no replica of its variant is up.
 */
export interface Selection {
  /** One pool of `among`, which are in the scenario's order. */
  choose(job: JobView, among: readonly number[], view: VariantsView): number;
  /** Those of an ensemble's variants that are asked, one at least; absent: the one of `choose`. */
  ask?(job: JobView, among: readonly number[], view: VariantsView): readonly number[];
  /** The weights of their votes, which add up to 1; absent: all equal. */
  shares?(asked: readonly number[]): readonly number[];
  /** Somebody says how wrong a variant's answer was: 0 right, 1 wrong. */
  fed?(request: number, pool: number, loss: number, nowUs: number): void;
}

export interface Admission {
  /** Whether to take an arriving request, given how many are in the system. */
  admit(inSystem: number): boolean;
  /** Whether pools without a shedding rule drop jobs past their deadline. */
  readonly dropsLate: boolean;
  /** A bound that nobody asked for: where it is met, results say so. */
  readonly ceiling?: number | undefined;
}

/** The state of a pool, for its scaling rule. Means are over the time since it was last asked. */
export interface ScalingView {
  /** µs since the start of the run. */
  readonly nowUs: number;
  /** Replicas that serve. */
  readonly ready: number;
  /** Replicas that serve, are to serve, or ought to: what was last wanted, within bounds. */
  readonly ordered: number;
  /** Replicas with a batch. */
  readonly busyMean: number;
  /** Jobs that wait. */
  readonly waitingMean: number;
  /** Jobs that wait or run. */
  readonly jobsMean: number;
}

/** How many replicas a pool should have. */
export interface Scaling {
  /** Time between two askings. */
  readonly intervalUs: number;
  readonly min: number;
  /** May be Infinity: a pool never has more than its replicas in the cluster. */
  readonly max: number;
  /** Replicas at the start. */
  readonly start: number;
  /** Fewer are kept only when no answer within this time asked for more. */
  readonly downWindowUs: number;
  /** The answer is brought within min and max. */
  replicas(view: ScalingView): number;
}

export interface PoolPolicies {
  readonly routing: Routing;
  readonly ordering: Ordering;
  readonly batching: Batching;
  readonly shedding?: Shedding | undefined;
  /** Asked of the first of a task's variants; absent: the first that has a replica that is up. */
  readonly selection?: Selection | undefined;
  /** Absent: the pool has all its replicas all the time. */
  readonly scaling?: Scaling | undefined;
}

/** A composition of policies for one system; `pools` is in the order of the system's pools. */
export interface Scheduler {
  readonly name: string;
  readonly admission: Admission;
  readonly pools: readonly PoolPolicies[];
  /** At most one places the jobs of a pool. */
  readonly controllers?: readonly Controller[];
}

/** One request's own wishes, in place of its pipeline's and the scheduler's. */
export interface RequestChoice {
  /** Null: its pipeline's. */
  readonly priority: number | null;
  /** From its arrival to its deadline, µs; Infinity: its pipeline's. The nearer of both counts. */
  readonly goalUs: number;
  /** By pool, for those that route on arrival; null: the scheduler's. */
  readonly routing: readonly Routing[] | null;
}

/**
 * Starts a batch when it is full, or when its oldest job has waited long enough. Timeouts are seen only at
 * multiples of `tickUs`; 0: at once.
 */
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
 * Some replicas batch by limits of their own, set while the run goes on (`Dispatcher.setBatching`), the others as
 * the pool does.
 */
export class ReplicaBatching implements GroupBatching {
  readonly #pool: GroupBatching;
  readonly kind = "group";
  readonly perReplica = true;
  readonly maxBatch: number;
  /** The replicas with limits of their own. */
  readonly own = new Map<number, GroupBatching>();

  constructor(pool: GroupBatching) {
    this.#pool = pool;
    this.maxBatch = pool.maxBatch;
  }

  maxBatchOf(replica: number): number {
    return this.own.get(replica)?.maxBatch ?? this.maxBatch;
  }

  size(queue: QueueView, replica: number, nowUs: number): number {
    return (this.own.get(replica) ?? this.#pool).size(queue, replica, nowUs);
  }

  dueUs(queue: QueueView, replica: number): number {
    return (this.own.get(replica) ?? this.#pool).dueUs(queue, replica);
  }
}
