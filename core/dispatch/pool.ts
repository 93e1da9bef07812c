/**
 * One pool of replicas: which are up, idle and how loaded, kept incrementally so that a policy's
 * question costs O(1) or O(log n). Implements what a routing policy may see.
 */
import type { PoolSystem } from "../system.ts";
import { WinnerTree } from "../winner-tree.ts";
import { type JobQueue, KeyedQueue, LinkedQueue } from "./job-queue.ts";
import { LengthIndex } from "./length-index.ts";
import type { Batching, Ordering, PoolPolicies, PoolView } from "./policies.ts";
import type { RequestTable } from "./request-table.ts";

const NONE = -1;
/** Keeps idle replicas ahead of every busy one in the work index, the longest idle first. */
const IDLE_US = -(2 ** 52);

export class Pool implements PoolView {
  readonly id: number;
  readonly first: number;
  readonly count: number;
  readonly policies: PoolPolicies;
  readonly maxBatch: number;
  /** What of the policies the hot path asks for. */
  readonly central: boolean;
  readonly keyed: boolean;
  /** Null when every job starts alone. */
  readonly batching: Extract<Batching, { kind: "group" }> | null;
  /** Jobs that no replica has yet: the central queue, or the inbox of immediate routing. */
  readonly queue: JobQueue;
  /** Queues of single replicas, for immediate routing. */
  readonly replicaQueues: readonly JobQueue[];
  /** Replicas to look at when deciding, for immediate routing; each at most once. */
  readonly touched: Int32Array;
  touchedCount = 0;
  upCount = 0;
  idleCount = 0;

  readonly #up: Int32Array;
  readonly #upPlace: Int32Array;
  readonly #load: Int32Array;
  readonly #nextIdle: Int32Array;
  readonly #previousIdle: Int32Array;
  readonly #idle: Uint8Array;
  readonly #lengths: LengthIndex | null;
  readonly #work: WinnerTree | null;
  /** Expected time of one job on each replica, µs. */
  readonly #expectedUs: Float64Array;
  readonly #takesRecent: boolean;
  /** Whether some index follows the loads. */
  readonly #indexed: boolean;
  #idleHead = NONE;
  #idleTail = NONE;

  constructor(
    id: number,
    system: PoolSystem,
    policies: PoolPolicies,
    table: RequestTable,
    firstReplicaQueue: number,
    expectedUs: Float64Array,
  ) {
    this.id = id;
    this.first = system.first;
    this.count = system.count;
    this.policies = policies;
    this.maxBatch = Math.min(system.maxBatch, policies.batching.maxBatch);
    const { routing, ordering } = policies;
    const central = routing.kind === "central";
    this.central = central;
    this.keyed = ordering.kind === "keyed";
    this.batching = policies.batching.kind === "group" ? policies.batching : null;
    this.queue = central ? orderedQueue(id, table, ordering) : new LinkedQueue(id, table, false);
    this.replicaQueues = central
      ? []
      : Array.from({ length: system.count }, (_, i) =>
          orderedQueue(firstReplicaQueue + system.first + i, table, ordering),
        );
    this.touched = new Int32Array(system.count);
    this.#up = new Int32Array(system.count);
    this.#upPlace = new Int32Array(system.count).fill(NONE);
    this.#load = new Int32Array(system.count);
    this.#nextIdle = new Int32Array(system.count);
    this.#previousIdle = new Int32Array(system.count);
    this.#idle = new Uint8Array(system.count);
    const needs = central ? "nothing" : routing.needs;
    this.#lengths = needs === "length" ? new LengthIndex(system.first, system.count) : null;
    this.#work = needs === "work" ? new WinnerTree(system.count) : null;
    this.#expectedUs = expectedUs;
    this.#takesRecent = routing.kind === "central" && routing.idle === "most-recent";
    this.#indexed = needs !== "nothing";
  }

  upAt(i: number): number {
    return this.#up[i];
  }

  load(replica: number): number {
    return this.#load[replica - this.first];
  }

  leastLoaded(): number {
    return this.#lengths === null ? this.upAt(0) : this.#lengths.least();
  }

  soonestFree(): number {
    return this.#work === null ? this.upAt(0) : this.first + this.#work.winner();
  }

  isUp(replica: number): boolean {
    return this.#upPlace[replica - this.first] !== NONE;
  }

  isIdle(replica: number): boolean {
    return this.#idle[replica - this.first] === 1;
  }

  /** `idle`: no batch runs on it (one that was draining may join with its batch). */
  replicaJoined(replica: number, idle: boolean, nowUs: number): void {
    const member = replica - this.first;
    const load = this.#load[member];
    this.#upPlace[member] = this.upCount;
    this.#up[this.upCount++] = replica;
    this.#lengths?.set(replica, load);
    this.#work?.set(member, idle ? IDLE_US + nowUs : nowUs + load * this.#expectedUs[member]);
    if (idle) this.becameIdle(replica);
  }

  /** Takes the replica out of every index; what waited at it must be gone. */
  replicaLost(replica: number): void {
    const member = replica - this.first;
    if (this.#idle[member] === 1) this.#unlinkIdle(member);
    const place = this.#upPlace[member];
    const last = this.#up[--this.upCount];
    this.#up[place] = last;
    this.#upPlace[last - this.first] = place;
    this.#upPlace[member] = NONE;
    this.#lengths?.set(replica, NONE);
    this.#work?.set(member, Number.POSITIVE_INFINITY);
  }

  becameIdle(replica: number): void {
    const member = replica - this.first;
    this.#idle[member] = 1;
    this.#previousIdle[member] = this.#idleTail;
    this.#nextIdle[member] = NONE;
    if (this.#idleTail === NONE) this.#idleHead = member;
    else this.#nextIdle[this.#idleTail] = member;
    this.#idleTail = member;
    this.idleCount++;
  }

  /** Takes an idle replica, in the central routing's order; only when idleCount > 0. */
  takeIdle(): number {
    const member = this.#takesRecent ? this.#idleTail : this.#idleHead;
    this.#unlinkIdle(member);
    return this.first + member;
  }

  becameBusy(replica: number): void {
    this.#unlinkIdle(replica - this.first);
  }

  /** Tells the indexes that a replica's load changed by `change` jobs. */
  loadChanged(replica: number, change: number, nowUs: number): void {
    const member = replica - this.first;
    const load = this.#load[member] + change;
    this.#load[member] = load;
    if (!this.#indexed) return;
    if (this.#upPlace[member] === NONE) return;
    this.#lengths?.set(replica, load);
    const work = this.#work;
    if (work === null) return;
    const expected = this.#expectedUs[member];
    if (change > 0) work.set(member, Math.max(nowUs, work.key[member]) + change * expected);
    else work.set(member, load === 0 ? IDLE_US + nowUs : nowUs + load * expected);
  }

  #unlinkIdle(member: number): void {
    const next = this.#nextIdle[member];
    const previous = this.#previousIdle[member];
    if (previous === NONE) this.#idleHead = next;
    else this.#nextIdle[previous] = next;
    if (next === NONE) this.#idleTail = previous;
    else this.#previousIdle[next] = previous;
    this.#idle[member] = 0;
    this.idleCount--;
  }
}

function orderedQueue(id: number, table: RequestTable, ordering: Ordering): JobQueue {
  return ordering.kind === "keyed"
    ? new KeyedQueue(id, table)
    : new LinkedQueue(id, table, ordering.kind === "lifo");
}
