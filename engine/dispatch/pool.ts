/**
 * One pool of replicas as its routing policy sees it: which are up and how loaded, kept
 * incrementally so that a question costs O(1) or O(log n). Where replicas share one queue, nobody
 * asks for loads, and none are kept.
 */
// Hot path: see docs/hot-path.md
import { listOf } from "../basics/hot-path.ts";
import { WinnerTree } from "../basics/priority-queues.ts";
import type { PoolSystem, System } from "../system/system.ts";
import { isHeld } from "./held-chains.ts";
import type { QueueOrder } from "./job-queues.ts";
import {
  type GroupBatching,
  type PoolPolicies,
  type PoolView,
  ReplicaBatching,
  type Routing,
  type Scheduler,
  type Shedding,
} from "./policies.ts";
import { demandsAny } from "./replicas.ts";

const NONE = -1;
/** Keeps idle replicas ahead of every busy one in the work index, the longest idle first. */
const IDLE_US = -(2 ** 52);

/** Every job starts alone. */
const ALONE: GroupBatching = {
  kind: "group",
  maxBatch: 1,
  size: () => 1,
  dueUs: ({ oldestUs }) => oldestUs,
};

export class Pool implements PoolView {
  declare readonly id: number;
  declare readonly first: number;
  declare readonly policies: PoolPolicies;
  declare readonly maxBatch: number;
  /** The most jobs that a batch here may have, be it formed by a controller. */
  declare readonly room: number;
  declare readonly central: boolean;
  /** Whether its batches take resources of their nodes: each idle replica is asked then. */
  declare readonly demands: boolean;
  /** Order of the queue before routing, which jobs stay in where a rule or a controller keeps them. */
  declare readonly inbox: QueueOrder;
  routing: Routing;
  /** Null when every job starts alone. */
  batching: GroupBatching | null;
  declare readonly shedding: Shedding | null;
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

  constructor(
    id: number,
    system: PoolSystem,
    policies: PoolPolicies,
    shedding: Shedding | null,
    expectedUs: Float64Array,
  ) {
    this.id = id;
    this.first = system.first;
    const { routing } = policies;
    this.policies = policies;
    this.maxBatch = Math.min(system.maxBatch, policies.batching.maxBatch);
    this.room = routing === PLACED && policies !== HELD ? system.maxBatch : this.maxBatch;
    this.routing = routing;
    this.shedding = shedding;
    this.central = routing.kind === "central";
    const keeps = routing.kind === "central" || routing === PLACED || routing.holds === true;
    this.inbox = keeps ? orderOf(policies) : "fifo";
    this.demands = demandsAny(system);
    this.batching = this.usualBatching();
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

  /** The most jobs that a replica gets at once. */
  maxBatchOf(replica: number): number {
    const { batching } = this;
    return batching instanceof ReplicaBatching ? batching.maxBatchOf(replica) : this.maxBatch;
  }

  private usualBatching(): GroupBatching | null {
    const { batching } = this.policies;
    if (batching.kind === "group") return batching;
    return this.demands ? ALONE : null;
  }

  /** Gives a replica limits of its own, or (null) takes them away. */
  setOwn(replica: number, own: GroupBatching | null): void {
    const usual = this.usualBatching();
    if (!(this.batching instanceof ReplicaBatching)) {
      if (own === null) return;
      this.batching = new ReplicaBatching(usual ?? ALONE);
    }
    const batching = this.batching as ReplicaBatching;
    if (own === null) batching.own.delete(replica);
    else batching.own.set(replica, own);
    if (batching.own.size === 0) this.batching = usual;
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

/** In order: all up to `centralGroup` share a queue. */
export const POOL_KIND = {
  /** Replicas share a queue, and every job starts alone. */
  centralSingle: 0,
  /** Batches depend on the replica: each idle one is asked. */
  centralEach: 1,
  /** Groups start together. */
  centralGroup: 2,
  /** Jobs are routed at once; each replica has a queue. */
  immediate: 3,
  /** A controller places the jobs. */
  placed: 4,
} as const;

/** Controllers place jobs in place of a routing rule. */
const PLACED: Routing = { kind: "immediate", needs: "nothing", route: () => NONE };

/** A held chain serves one request at a time, so its pools never batch. */
const HELD: PoolPolicies = {
  routing: PLACED,
  ordering: { kind: "fifo" },
  batching: { kind: "single", maxBatch: 1 },
};

const LATE: Shedding = ({ deadlineUs }, _replica, _size, nowUs) => nowUs > deadlineUs;

/** The system's pools, in its order, none of whose replicas is up. */
export function createPools(
  system: System,
  { pools: policies, admission }: Scheduler,
  isPlaced: (pool: number) => boolean,
): Pool[] {
  const { pools, replicas } = system;
  return listOf(pools, (pool, id) => {
    const members = replicas.slice(pool.first, pool.first + pool.count);
    const expected = Float64Array.from(members, (replica) => replica.service.meanUs[1]);
    const own = isHeld(system, id) ? HELD : policies[id];
    const placed = isPlaced(id) ? Object.assign({}, own, { routing: PLACED }) : own;
    const shedding = own.shedding ?? (admission.dropsLate ? LATE : null);
    return new Pool(id, pool, placed, shedding, expected);
  });
}

/** The kind of a pool whose jobs no controller places. */
export function kindOf({ central, batching, demands }: Pool): number {
  if (!central) return POOL_KIND.immediate;
  if (batching === null) return POOL_KIND.centralSingle;
  return batching.perReplica === true || demands ? POOL_KIND.centralEach : POOL_KIND.centralGroup;
}

/** Orders of all queues, by number: the pools' own (or the inbox of routing), then the replicas'. */
export function queueOrders({ replicas }: System, pools: readonly Pool[]): QueueOrder[] {
  return [
    ...pools.map(({ inbox }) => inbox),
    ...replicas.map(({ pool }) => orderOf(pools[pool].policies)),
  ];
}

function orderOf({ ordering }: PoolPolicies): QueueOrder {
  if (ordering.kind !== "keyed") return ordering.kind;
  const { taken } = ordering;
  return taken === undefined ? "keyed" : { taken };
}

/**
 * Replicas in buckets by load, so that a least loaded one is found in O(1). Within a bucket the
 * replica that has had this load longest comes first, which spreads ties evenly.
 */
export class LengthIndex {
  declare private readonly first: number;
  declare private readonly load: Int32Array;
  declare private readonly next: Int32Array;
  declare private readonly previous: Int32Array;
  private head = new Int32Array(16).fill(NONE);
  private tail = new Int32Array(16).fill(NONE);
  private leastLoad = 0;
  private members = 0;

  /** Replicas are numbered first .. first + count − 1; none is a member yet. */
  constructor(first: number, count: number) {
    this.first = first;
    this.load = new Int32Array(count).fill(NONE);
    this.next = new Int32Array(count);
    this.previous = new Int32Array(count);
  }

  /** A least loaded member, or −1 if there is none. */
  least(): number {
    if (this.members === 0) return NONE;
    return this.first + this.head[this.leastLoad];
  }

  /** Sets a replica's load, making it a member; a load of −1 takes it out. */
  set(replica: number, load: number): void {
    const member = replica - this.first;
    if (this.load[member] === load) return;
    if (this.load[member] === NONE) this.members++;
    else this.unlink(member);
    this.load[member] = load;
    if (load === NONE) {
      this.members--;
    } else {
      if (load >= this.head.length) this.growTo(load + 1);
      this.append(member, load);
      if (load < this.leastLoad) this.leastLoad = load;
    }
    if (this.members > 0) while (this.head[this.leastLoad] === NONE) this.leastLoad++;
    else this.leastLoad = 0;
  }

  private append(member: number, load: number): void {
    const tail = this.tail[load];
    this.previous[member] = tail;
    this.next[member] = NONE;
    if (tail === NONE) this.head[load] = member;
    else this.next[tail] = member;
    this.tail[load] = member;
  }

  private unlink(member: number): void {
    const load = this.load[member];
    const next = this.next[member];
    const previous = this.previous[member];
    if (previous === NONE) this.head[load] = next;
    else this.next[previous] = next;
    if (next === NONE) this.tail[load] = previous;
    else this.previous[next] = previous;
  }

  private growTo(size: number): void {
    const length = Math.max(size, this.head.length * 2);
    const head = new Int32Array(length).fill(NONE);
    const tail = new Int32Array(length).fill(NONE);
    head.set(this.head);
    tail.set(this.tail);
    this.head = head;
    this.tail = tail;
  }
}
