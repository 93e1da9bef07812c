/**
 * Pipelines as frameworks, that compete for the resources of nodes: their dominant shares, the jobs
 * that they have waiting, and the start of the next one. A batch holds jobs of one pipeline, and
 * what it takes counts for that pipeline until it ends.
 *
 * Resources are those that models demand and every node has a limited amount of. Where there is
 * none, replicas are the resource, by kind of device: a batch takes one.
 */

import { assert } from "../../../engine/basics/fault.ts";
import { EventHeap } from "../../../engine/basics/priority-queues.ts";
import type {
  BatchEnd,
  ClusterView,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import type { Ordering, PoolPolicies } from "../../../engine/dispatch/policies.ts";
import type { System } from "../../../engine/system/system.ts";
import { batchLimits, isIdle, placeablePools } from "../devices/device-slots.ts";

/** Amounts by resource, in the resource's own unit. */
export type Amounts = readonly number[];

interface Client {
  readonly weight: number;
  readonly used: number[];
  /** Made so far, those that were given back too. */
  allocations: number;
}

/**
 * Clients in order of their weighted dominant shares. A client's dominant share is the largest share that it holds of any
 * resource; the client with the smallest one, over its weight, is served next.
 *
 *   s_i = max over resources r of used_i[r] / total[r]        next = argmin s_i / w_i
 *
 * Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, sections 4.1 (algorithm 1, table
 * 1) and 4.3 (weights). Equal shares: Mesos' sorter takes the client with fewer allocations so far,
 * then the first name; here the client that was added first.
 */
export class DominantShares {
  readonly #totals: Amounts;
  /** By number. */
  readonly #clients = new Map<number, Client>();

  constructor(totals: Amounts) {
    this.#totals = totals;
  }

  add(id: number, weight: number): void {
    const used = this.#totals.map(() => 0);
    this.#clients.set(id, { weight, used, allocations: 0 });
  }

  allocate(id: number, amounts: Amounts): void {
    const client = this.#client(id);
    for (let r = 0; r < amounts.length; r++) client.used[r] += amounts[r];
    client.allocations++;
  }

  release(id: number, amounts: Amounts): void {
    const { used } = this.#client(id);
    for (let r = 0; r < used.length; r++) used[r] -= amounts[r];
  }

  /** Without its weight. A resource that nobody has gives no share. */
  shareOf(id: number): number {
    const shares = this.#client(id).used.map((amount, r) =>
      this.#totals[r] > 0 ? amount / this.#totals[r] : 0,
    );
    return Math.max(0, ...shares);
  }

  /** The client to serve next first. */
  order(): number[] {
    const ranked = [...this.#clients].map(([id, { weight, allocations }]) => ({
      id,
      allocations,
      share: this.shareOf(id) / weight,
    }));
    // The sort is stable, so equal clients stay in the order in which they were added.
    ranked.sort((a, b) => a.share - b.share || a.allocations - b.allocations);
    return ranked.map(({ id }) => id);
  }

  #client(id: number): Client {
    const client = this.#clients.get(id);
    assert(client !== undefined, `there is a client ${id}`);
    return client;
  }
}

interface Entry {
  readonly job: number;
  readonly request: number;
  /** The key of the ordering; equal ones in the order in which they came. */
  readonly atUs: number;
  readonly arrivedUs: number;
}

/**
 * By request, then by job: the entry of each job that is queued, over all queues. A job that comes back gets a
 * new one, and a request that ends takes its entries with it, as others will have its numbers.
 */
type Entries = Map<number, Map<number, Entry>>;

/** Jobs that wait, in the order of an ordering rule. Jobs that wait no more are passed over. */
class WaitingJobs {
  readonly #ordering: Ordering;
  readonly #heap = new EventHeap<Entry>();
  readonly #latest: Entries;

  constructor(ordering: Ordering, latest: Entries) {
    this.#ordering = ordering;
    this.#latest = latest;
  }

  push(view: JobView): void {
    const { job, request, arrivedUs } = view;
    const entry = { job, request, atUs: this.#keyOf(view), arrivedUs };
    const own = this.#latest.get(request);
    if (own === undefined) this.#latest.set(request, new Map([[job, entry]]));
    else own.set(job, entry);
    this.#heap.add(entry);
  }

  #keyOf(view: JobView): number {
    const ordering = this.#ordering;
    if (ordering.kind === "keyed") return ordering.key(view);
    return ordering.kind === "fifo" ? view.enteredUs : -view.enteredUs;
  }

  /** The next job that waits; undefined: none does. */
  peek(view: ClusterView): Entry | undefined {
    for (;;) {
      const { first } = this.#heap;
      if (first === undefined) return undefined;
      const isLatest = this.#latest.get(first.request)?.get(first.job) === first;
      if (isLatest && view.isWaiting(first.job)) return first;
      this.#shift(first);
    }
  }

  /** Takes up to `count` jobs, the next one first. */
  take(count: number, view: ClusterView): number[] {
    const jobs: number[] = [];
    while (jobs.length < count) {
      const next = this.peek(view);
      if (next === undefined) break;
      jobs.push(next.job);
      this.#shift(next);
    }
    return jobs;
  }

  #shift(first: Entry): void {
    this.#heap.take();
    const own = this.#latest.get(first.request);
    if (own?.get(first.job) === first) own.delete(first.job);
  }
}

const NOBODY = -1;

/** Which replicas a start may use. */
type Allows = (replica: number) => boolean;

export class Frameworks {
  /** Pools whose jobs wait here. */
  readonly pools: readonly number[];
  readonly shares: DominantShares;
  readonly #system: System;
  readonly #rules: readonly PoolPolicies[];
  /** By pool. */
  readonly #mostJobs: readonly number[];
  /** Numbers of the system's resources that count; empty: kinds of devices do. */
  readonly #resources: readonly number[];
  readonly #kinds: readonly string[];
  /** By replica. */
  readonly #demands: readonly Amounts[];
  readonly #entries: Entries = new Map();
  /** By pipeline, then by pool. */
  readonly #waiting: readonly Map<number, WaitingJobs>[];
  /** By pool: replicas that may be idle, the longest idle first; a look at the view tells. */
  readonly #idle: readonly Set<number>[];
  /** By replica: the pipeline that its batch counts for. */
  readonly #owners: Int32Array;
  /** By node: replicas of these pools. */
  readonly #members: readonly (readonly number[])[];

  /** Weights are by name; pipelines without one have 1. */
  constructor(
    system: System,
    rules: readonly PoolPolicies[],
    weights: Readonly<Record<string, number>>,
  ) {
    this.#system = system;
    this.#rules = rules;
    this.#mostJobs = batchLimits(system, rules);
    this.pools = placeablePools(system);
    const own = system.replicas.map(({ pool }) => this.pools.includes(pool));
    this.#members = system.nodes.map((_, node) =>
      [...system.replicas.keys()].filter((r) => own[r] && system.replicas[r].node === node),
    );
    this.#resources = [...system.resources.keys()].filter(
      (r) =>
        this.pools.some((pool) => system.pools[pool].demand[r] > 0) &&
        system.nodes.every(({ resources }) => Number.isFinite(resources[r])),
    );
    const kinds = new Set(system.replicas.filter((_, r) => own[r]).map(({ device }) => device));
    this.#kinds = this.#resources.length > 0 ? [] : [...kinds];
    this.#demands = system.replicas.map(({ pool, device }) =>
      this.#resources.length > 0
        ? this.#resources.map((r) => system.pools[pool].demand[r])
        : this.#kinds.map((kind) => (kind === device ? 1 : 0)),
    );
    const totals =
      this.#resources.length > 0
        ? this.#resources.map((r) =>
            system.nodes.reduce((sum, { resources }) => sum + resources[r], 0),
          )
        : this.#kinds.map(
            (kind) => system.replicas.filter(({ device }, r) => own[r] && device === kind).length,
          );
    this.shares = new DominantShares(totals);
    system.pipelines.forEach(({ name, held }, pipeline) => {
      const weight = Object.hasOwn(weights, name) ? weights[name] : 1;
      if (!held) this.shares.add(pipeline, weight);
    });
    this.#waiting = system.pipelines.map(({ tasks }) => {
      const all = tasks.flatMap(({ variants }) => variants);
      const pools = new Set(all.filter((id) => this.pools.includes(id)));
      return new Map(
        [...pools].map((id) => [id, new WaitingJobs(rules[id].ordering, this.#entries)]),
      );
    });
    this.#idle = system.pools.map(() => new Set());
    this.#owners = new Int32Array(system.replicas.length).fill(NOBODY);
  }

  // --- events ---------------------------------------------------------------------------------

  queued(view: JobView, pool: number): void {
    this.#waiting[view.pipeline].get(pool)?.push(view);
  }

  ended(request: number): void {
    this.#entries.delete(request);
  }

  finished({ replica, pool }: BatchEnd): void {
    const owner = this.#owners[replica];
    if (owner !== NOBODY) this.shares.release(owner, this.#demands[replica]);
    this.#owners[replica] = NOBODY;
    this.#idle[pool].add(replica);
  }

  changed(replica: number, state: "up" | "down" | "left"): void {
    if (state === "up") this.#idle[this.#system.replicas[replica].pool].add(replica);
  }

  /** Counts running batches too: this scheduler may take over from another. */
  begin(view: ClusterView): void {
    for (const replica of this.#members.flat()) {
      if (view.running(replica) === 0) {
        if (view.isUp(replica)) this.changed(replica, "up");
        continue;
      }
      const { pipeline } = view.job(view.jobsOn(replica)[0]);
      this.#owners[replica] = pipeline;
      this.shares.allocate(pipeline, this.#demands[replica]);
    }
  }

  // --- questions ------------------------------------------------------------------------------

  demandOf(replica: number): Amounts {
    return this.#demands[replica];
  }

  /** Amounts that no batch has taken on a node. O(replicas of the node) where replicas are the resource. */
  freeOn(node: number, view: ClusterView): number[] {
    if (this.#resources.length > 0) return this.#resources.map((r) => view.freeOf(node, r));
    const free = this.#kinds.map(() => 0);
    for (const replica of this.#members[node]) {
      const kind = this.#kinds.indexOf(this.#system.replicas[replica].device);
      if (isIdle(view, replica)) free[kind]++;
    }
    return free;
  }

  hasJobs(pipeline: number, view: ClusterView): boolean {
    return [...this.#waiting[pipeline].values()].some((jobs) => jobs.peek(view) !== undefined);
  }

  /** Whether a job of the pipeline can start once others have ended: some replica for it is up. */
  waitsForRoom(pipeline: number, view: ClusterView): boolean {
    return [...this.#waiting[pipeline]].some(
      ([pool, jobs]) => jobs.peek(view) !== undefined && view.readyOf(pool) > 0,
    );
  }

  // --- starts ---------------------------------------------------------------------------------

  /**
   * Starts the pipeline's next batch: of its pools with an idle replica that is allowed and has
   * room, the one whose next job is of the earliest request. The replica, or −1: none can start.
   */
  startNext(pipeline: number, view: ClusterView, act: Controls, allows: Allows): number {
    for (;;) {
      let earliestUs = Number.POSITIVE_INFINITY;
      let chosen: WaitingJobs | null = null;
      let replica = NOBODY;
      for (const [pool, jobs] of this.#waiting[pipeline]) {
        const next = jobs.peek(view);
        if (next === undefined || next.arrivedUs >= earliestUs) continue;
        const found = this.#idleReplica(pool, view, allows);
        if (found === NOBODY) continue;
        earliestUs = next.arrivedUs;
        chosen = jobs;
        replica = found;
      }
      if (chosen === null) return NOBODY;
      const batch = this.#takeBatch(chosen, replica, view, act);
      if (batch.length === 0) continue;
      this.#start(pipeline, replica, batch, act);
      return replica;
    }
  }

  /** As many as the pool's batching allows, none kept waiting for more; late ones may be dropped. */
  #takeBatch(
    jobs: WaitingJobs,
    replica: number,
    view: ClusterView,
    act: Controls,
  ): readonly number[] {
    const { pool } = this.#system.replicas[replica];
    const { shedding } = this.#rules[pool];
    const most = this.#mostJobs[pool];
    const batch = jobs.take(most, view);
    if (shedding === undefined) return batch;
    const late = batch.filter((job) => shedding(view.job(job), replica, most, view.nowUs));
    for (const job of late) if (view.isWaiting(job)) act.drop(job);
    return batch.filter((job) => !late.includes(job) && view.isWaiting(job));
  }

  #start(pipeline: number, replica: number, batch: readonly number[], act: Controls): void {
    assert(this.#owners[replica] === NOBODY, "a replica runs one batch");
    act.start(replica, batch);
    this.#idle[this.#system.replicas[replica].pool].delete(replica);
    this.#owners[replica] = pipeline;
    this.shares.allocate(pipeline, this.#demands[replica]);
  }

  #idleReplica(pool: number, view: ClusterView, allows: Allows): number {
    const idle = this.#idle[pool];
    for (const replica of idle) {
      if (!isIdle(view, replica)) idle.delete(replica);
      else if (allows(replica) && view.fits(replica)) return replica;
    }
    return NOBODY;
  }
}
