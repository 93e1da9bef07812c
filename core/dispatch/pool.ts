/**
 * One pool of replicas as its routing policy sees it: which are up and how loaded, kept
 * incrementally so that a question costs O(1) or O(log n). Where replicas share one queue, nobody
 * asks for loads, and none are kept.
 */
import type { PoolSystem } from "../system.ts";
import { WinnerTree } from "../winner-tree.ts";
import { LengthIndex } from "./length-index.ts";
import type { PoolPolicies, PoolView } from "./policies.ts";
import type { GroupBatching } from "./size-or-timeout.ts";

const NONE = -1;
/** Keeps idle replicas ahead of every busy one in the work index, the longest idle first. */
const IDLE_US = -(2 ** 52);

export class Pool implements PoolView {
  declare readonly id: number;
  declare readonly first: number;
  declare readonly policies: PoolPolicies;
  declare readonly maxBatch: number;
  declare readonly central: boolean;
  /** Null when every job starts alone. */
  declare readonly batching: GroupBatching | null;
  /** How single replicas batch, where that is not as the pool does; null while all do. */
  own: (GroupBatching | null)[] | null = null;
  /** Replicas to look at when deciding, for immediate routing; each at most once. */
  declare readonly touched: Int32Array;
  touchedCount = 0;
  upCount = 0;

  declare private readonly up: Int32Array;
  declare private readonly upPlace: Int32Array;
  declare private readonly loads: Int32Array;
  declare private readonly lengths: LengthIndex | null;
  declare private readonly work: WinnerTree | null;
  /** Expected time of one job on each replica, µs. */
  declare private readonly expectedUs: Float64Array;
  /** Whether some index follows the loads. */
  declare private readonly indexed: boolean;

  constructor(id: number, system: PoolSystem, policies: PoolPolicies, expectedUs: Float64Array) {
    this.id = id;
    this.first = system.first;
    this.policies = policies;
    this.maxBatch = Math.min(system.maxBatch, policies.batching.maxBatch);
    const { routing } = policies;
    this.central = routing.kind === "central";
    this.batching = policies.batching.kind === "group" ? policies.batching : null;
    this.touched = new Int32Array(system.count);
    this.up = new Int32Array(system.count);
    this.upPlace = new Int32Array(system.count).fill(NONE);
    this.loads = new Int32Array(system.count);
    const needs = routing.kind === "central" ? "nothing" : routing.needs;
    this.lengths = needs === "length" ? new LengthIndex(system.first, system.count) : null;
    this.work = needs === "work" ? new WinnerTree(system.count) : null;
    this.expectedUs = expectedUs;
    this.indexed = needs !== "nothing";
  }

  /** What of its own a replica has, or null. */
  ownOf(replica: number): GroupBatching | null {
    return this.own === null ? null : this.own[replica - this.first];
  }

  /** Gives a replica a batching of its own, or takes it away. */
  setOwn(replica: number, batching: GroupBatching | null, count: number): void {
    this.own ??= new Array<GroupBatching | null>(count).fill(null);
    this.own[replica - this.first] = batching;
    if (this.own.every((own) => own === null)) this.own = null;
  }

  upAt(i: number): number {
    return this.up[i];
  }

  load(replica: number): number {
    return this.loads[replica - this.first];
  }

  leastLoaded(): number {
    return this.lengths === null ? this.least(1) : this.lengths.least();
  }

  soonestFree(): number {
    return this.work === null ? this.least(null) : this.first + this.work.winner();
  }

  /** The replica with the least load times a job's time, which is that expected for null. */
  private least(jobUs: number | null): number {
    let best = this.upAt(0);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.upCount; i++) {
      const replica = this.upAt(i);
      const work = this.load(replica) * (jobUs ?? this.expectedUs[replica - this.first]);
      if (work >= least) continue;
      best = replica;
      least = work;
    }
    return best;
  }

  /** `idle`: no batch runs on it (one that was draining may join with its batch). */
  replicaJoined(replica: number, idle: boolean, nowUs: number): void {
    const member = replica - this.first;
    const load = this.loads[member];
    this.upPlace[member] = this.upCount;
    this.up[this.upCount++] = replica;
    this.lengths?.set(replica, load);
    this.work?.set(member, idle ? IDLE_US + nowUs : nowUs + load * this.expectedUs[member]);
  }

  /** Takes the replica out of every index; what waited at it must be gone. */
  replicaLost(replica: number): void {
    const member = replica - this.first;
    const place = this.upPlace[member];
    const last = this.up[--this.upCount];
    this.up[place] = last;
    this.upPlace[last - this.first] = place;
    this.upPlace[member] = NONE;
    this.lengths?.set(replica, NONE);
    this.work?.set(member, Number.POSITIVE_INFINITY);
  }

  /** Jobs came to a replica, or (`change` < 0) left it. */
  loadChanged(replica: number, change: number, nowUs: number): void {
    if (this.central) return;
    const member = replica - this.first;
    const load = this.loads[member] + change;
    this.loads[member] = load;
    if (!this.indexed) return;
    if (this.upPlace[member] === NONE) return;
    this.lengths?.set(replica, load);
    const work = this.work;
    if (work === null) return;
    const expected = this.expectedUs[member];
    if (change > 0) work.set(member, Math.max(nowUs, work.key[member]) + change * expected);
    else work.set(member, load === 0 ? IDLE_US + nowUs : nowUs + load * expected);
  }
}
