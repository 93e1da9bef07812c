/**
 * Pipelines as frameworks, that compete for the resources of nodes: their dominant shares, the jobs
 * that they have waiting, and the start of the next one. A batch holds jobs of one pipeline, and
 * what it takes counts for that pipeline until it ends.
 *
 * Resources are those that models demand and every node has a limited amount of. Where there is
 * none, replicas are the resource, by kind of device: a batch takes one.
 */

import { assert } from "../../../engine/basics/fault.ts";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import type { PoolPolicies } from "../../../engine/dispatch/policies.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import { leastBy } from "../../rules/textbook.ts";
import { batchLimits, isIdle, placeablePools } from "../devices/device-slots.ts";
import { PlacedJobs } from "../devices/placed-jobs.ts";

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
    return this.#clients.get(id) as Client;
  }
}

/** The jobs of a pipeline that wait for a pool. */
interface Line {
  readonly pool: number;
}

const NOBODY = -1;

/** Which replicas a start may use. */
type Allows = (replica: number) => boolean;

export class Frameworks {
  readonly shares: DominantShares;
  /** A controller that hears what these have to know, and gives no commands. */
  readonly hearing: Controller;
  readonly #system: System;
  readonly #rules: readonly PoolPolicies[];
  /** By pool. */
  readonly #mostJobs: readonly number[];
  /** Numbers of the system's resources that count; empty: kinds of devices do. */
  readonly #resources: readonly number[];
  readonly #kinds: readonly string[];
  /** By replica: what its batch takes. */
  readonly #demands: readonly Amounts[];
  readonly #jobs = new PlacedJobs<Line>(true);
  /** By pipeline. */
  readonly #lines: readonly (readonly Line[])[];
  /** By pool: replicas that may be idle, the longest idle first; a look at the view tells. */
  readonly #idle: readonly Set<number>[];
  /** By replica: the pipeline that its batch counts for. */
  readonly #owners: Int32Array;
  /** Replicas of these pools. */
  readonly #members: readonly number[];

  /** Weights are by name; pipelines without one have 1. */
  constructor(
    system: System,
    rules: readonly PoolPolicies[],
    weights: Readonly<Record<string, number>>,
  ) {
    const { pipelines, pools, replicas, nodes, resources } = system;
    this.#system = system;
    this.#rules = rules;
    this.#mostJobs = batchLimits(system, rules);
    const placed = placeablePools(system);
    this.#members = [...replicas.keys()].filter((r) => placed.includes(replicas[r].pool));
    this.#resources = [...resources.keys()].filter(
      (r) =>
        placed.some((pool) => pools[pool].demand[r] > 0) &&
        nodes.every((node) => Number.isFinite(node.resources[r])),
    );
    const devices = this.#members.map((replica) => replicas[replica].device);
    this.#kinds = this.#resources.length > 0 ? [] : [...new Set(devices)];
    this.#demands = replicas.map(({ pool, device }) => [
      ...this.#resources.map((r) => pools[pool].demand[r]),
      ...this.#kinds.map((kind) => Number(kind === device)),
    ]);
    this.shares = new DominantShares([
      ...this.#resources.map((r) => sumOf(nodes.map((node) => node.resources[r]))),
      ...this.#kinds.map((kind) => devices.filter((device) => device === kind).length),
    ]);
    for (const [pipeline, { name, held }] of pipelines.entries()) {
      if (!held) this.shares.add(pipeline, Object.hasOwn(weights, name) ? weights[name] : 1);
    }
    this.#lines = pipelines.map(({ tasks }) => {
      const all = new Set(tasks.flatMap(({ variants }) => variants));
      return [...all].filter((pool) => placed.includes(pool)).map((pool) => ({ pool }));
    });
    this.#idle = pools.map(() => new Set());
    this.#owners = new Int32Array(replicas.length).fill(NOBODY);
    this.hearing = this.#hearing(placed);
  }

  #hearing(pools: readonly number[]): Controller {
    const isIdleAgain = (replica: number): void => {
      this.#idle[this.#system.replicas[replica].pool].add(replica);
    };
    return {
      ...{ pools, scales: [], timers: 0, heedsResources: true },
      queued: (job, pool) => {
        const { ordering } = this.#rules[pool];
        const fromFirst = ordering.kind === "fifo" ? job.enteredUs : -job.enteredUs;
        this.#jobs.queued(job, pool, ordering.kind === "keyed" ? ordering.key(job) : fromFirst);
      },
      ended: (request) => this.#jobs.ended(request),
      finished: ({ replica }) => {
        const owner = this.#owners[replica];
        if (owner !== NOBODY) this.shares.release(owner, this.#demands[replica]);
        this.#owners[replica] = NOBODY;
        isIdleAgain(replica);
      },
      changed: (replica, state) => void (state === "up" && isIdleAgain(replica)),
      // Running batches count too: this scheduler may take over from another.
      begin: (view) => {
        for (const replica of this.#members) {
          const [job] = view.jobsOn(replica);
          if (job !== undefined) this.#own(view.job(job).pipeline, replica);
          else if (view.isUp(replica)) isIdleAgain(replica);
        }
      },
    };
  }

  demandOf(replica: number): Amounts {
    return this.#demands[replica];
  }

  /** Amounts that no batch has taken on a node. O(replicas) where these are the resource. */
  freeOn(node: number, view: ClusterView): number[] {
    const { replicas } = this.#system;
    const idle = this.#members.filter(
      (replica) =>
        this.#kinds.length > 0 && replicas[replica].node === node && isIdle(view, replica),
    );
    return [
      ...this.#resources.map((r) => view.freeOf(node, r)),
      ...this.#kinds.map((kind) => idle.filter((one) => replicas[one].device === kind).length),
    ];
  }

  hasJobs(pipeline: number, view: ClusterView): boolean {
    return this.#waiting(pipeline, view).length > 0;
  }

  /** Whether a job of the pipeline can start once others have ended: some replica for it is up. */
  waitsForRoom(pipeline: number, view: ClusterView): boolean {
    return this.#waiting(pipeline, view).some(({ pool }) => view.readyOf(pool) > 0);
  }

  /**
   * Starts the pipeline's next batch: of its pools with an idle replica that is allowed and has
   * room, the one whose next job is of the earliest request. The replica, or −1: none can start.
   */
  startNext(pipeline: number, view: ClusterView, act: Controls, allows: Allows): number {
    for (;;) {
      const ways = this.#waiting(pipeline, view).flatMap((line) => {
        const replica = this.#idleReplica(line.pool, view, allows);
        return replica === NOBODY ? [] : [{ line, replica }];
      });
      const arrivedUs = ({ line }: (typeof ways)[number]): number =>
        view.job(this.#jobs.at(line)[0].job).arrivedUs;
      const next = leastBy(ways, arrivedUs);
      if (next === undefined) return NOBODY;
      const { line, replica } = next;
      const batch = this.#takeBatch(line, replica, view, act);
      if (batch.length === 0) continue;
      assert(this.#owners[replica] === NOBODY, "a replica runs one batch");
      act.start(replica, batch);
      this.#idle[line.pool].delete(replica);
      this.#own(pipeline, replica);
      return replica;
    }
  }

  /** The pipeline's lines that have a job. */
  #waiting(pipeline: number, view: ClusterView): readonly Line[] {
    this.#jobs.place(view, ({ job, pool }) =>
      this.#lines[view.job(job).pipeline].find((line) => line.pool === pool),
    );
    return this.#lines[pipeline].filter((line) => this.#jobs.at(line).length > 0);
  }

  /** As many as the pool's batching allows, none kept waiting for more; late ones may be dropped. */
  #takeBatch(line: Line, replica: number, view: ClusterView, act: Controls): readonly number[] {
    const { shedding } = this.#rules[line.pool];
    const most = this.#mostJobs[line.pool];
    const taken = this.#jobs.at(line).slice(0, most);
    this.#jobs.leave(taken);
    const batch = taken.map(({ job }) => job);
    if (shedding === undefined) return batch;
    const late = batch.filter((job) => shedding(view.job(job), replica, most, view.nowUs));
    for (const job of late) if (view.isWaiting(job)) act.drop(job);
    return batch.filter((job) => !late.includes(job) && view.isWaiting(job));
  }

  #own(pipeline: number, replica: number): void {
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
