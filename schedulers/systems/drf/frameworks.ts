/**
 * Pipelines as the clients of Dominant Resource Fairness (Mesos calls them frameworks): the jobs that each has waiting, what
 * its running batches hold, and the start of its next batch. A decider says which pipeline is next: `drf.ts`, `mesos.ts`.
 *
 * A batch holds jobs of one pipeline, and what it takes counts for that pipeline until it ends.
 */
import { leastBy } from "../../../engine/basics/iterables.ts";
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import { batchLimits, isIdle, placeablePools } from "../../rules/device-slots.ts";
import { PlacedJobs } from "../../rules/placed-jobs.ts";
import type { ControllerContext } from "../../rules/policy-definition.ts";
import { type Amounts, DominantShares } from "./dominant-shares.ts";

interface Resources {
  readonly totals: Amounts;
  /** Amounts that a batch on a replica takes. */
  demandOf(replica: number): Amounts;
  /** Amounts that no batch has taken. O(replicas) where these are the resource. */
  freeOn(node: number, view: ClusterView): Amounts;
}

/**
 * Those that models demand and every node has a limited amount of. Where there is none, replicas are the resource, by kind
 * of device: a batch takes one.
 */
function resourcesOf(system: System, placed: readonly number[]): Resources {
  const { pools, replicas, nodes } = system;
  const limited = [...system.resources.keys()].filter((r) => {
    const isDemanded = placed.some((pool) => pools[pool].demand[r] > 0);
    return isDemanded && nodes.every(({ resources }) => Number.isFinite(resources[r]));
  });
  if (limited.length > 0) {
    return {
      totals: limited.map((r) => sumOf(nodes.map(({ resources }) => resources[r]))),
      demandOf: (replica) => limited.map((r) => pools[replicas[replica].pool].demand[r]),
      freeOn: (node, view) => limited.map((r) => view.freeOf(node, r)),
    };
  }
  const members = [...replicas.keys()].filter((id) => placed.includes(replicas[id].pool));
  const kinds = [...new Set(members.map((id) => replicas[id].device))];
  const byKind = (some: readonly number[]): Amounts =>
    kinds.map((kind) => some.filter((id) => replicas[id].device === kind).length);
  return {
    totals: byKind(members),
    demandOf: (replica) => byKind([replica]),
    freeOn: (node, view) =>
      byKind(members.filter((id) => replicas[id].node === node && isIdle(view, id))),
  };
}

/** The queue of a pipeline's jobs for a pool. */
const lineOf = (pipeline: number, pool: number): string => `${pipeline}/${pool}`;

type Allows = (replica: number) => boolean;

/** Chooses the pipelines that start batches. */
export type Decider = Pick<Controller, "timers" | "queued" | "begin" | "woken" | "decide">;

export class Frameworks implements Controller {
  readonly pools: readonly number[];
  readonly timers: number;
  readonly heedsResources = true;
  readonly shares: DominantShares;
  readonly resources: Resources;
  readonly #context: ControllerContext;
  readonly #decider: Decider;
  /** By pool. */
  readonly #mostJobs: readonly number[];
  /** By pipeline and pool. */
  readonly #jobs = new PlacedJobs<string>(true);
  /** By pipeline: pools that serve its tasks. */
  readonly #poolsOf: readonly (readonly number[])[];
  /** By pool: replicas that may be idle, the longest idle first; a look at the view tells. */
  readonly #idle: readonly Set<number>[];
  /** By replica with a batch: the pipeline that it counts for. */
  readonly #owners = new Map<number, number>();

  constructor(
    context: ControllerContext,
    weights: Readonly<Record<string, number>>,
    deciderOf: (own: Frameworks) => Decider,
  ) {
    const { system } = context;
    this.#context = context;
    this.pools = placeablePools(system);
    this.resources = resourcesOf(system, this.pools);
    this.shares = new DominantShares(this.resources.totals);
    this.#mostJobs = batchLimits(system, context.pools);
    this.#idle = system.pools.map(() => new Set());
    this.#poolsOf = system.pipelines.map(({ name, held, tasks }, pipeline) => {
      if (held) return [];
      this.shares.add(pipeline, Object.hasOwn(weights, name) ? weights[name] : 1);
      const own = new Set(tasks.flatMap(({ variants }) => variants));
      return [...own].filter((pool) => this.pools.includes(pool));
    });
    this.#decider = deciderOf(this);
    this.timers = this.#decider.timers ?? 0;
  }

  queued(job: JobView, pool: number): void {
    const { ordering } = this.#context.pools[pool];
    const fromFirst = ordering.kind === "fifo" ? job.enteredUs : -job.enteredUs;
    this.#jobs.queued(job, pool, ordering.kind === "keyed" ? ordering.key(job) : fromFirst);
    this.#decider.queued?.(job, pool);
  }

  ended(request: number): void {
    this.#jobs.ended(request);
  }

  finished({ replica, pool }: BatchEnd): void {
    const owner = this.#owners.get(replica);
    if (owner !== undefined) this.shares.release(owner, this.resources.demandOf(replica));
    this.#owners.delete(replica);
    this.#idle[pool].add(replica);
  }

  changed(replica: number, state: "up" | "down" | "left"): void {
    if (state === "up") this.#idle[this.#context.system.replicas[replica].pool].add(replica);
  }

  /** Running batches count too: this scheduler may take over from another. */
  begin(view: ClusterView, act: Controls): void {
    for (const [replica, { pool }] of view.system.replicas.entries()) {
      if (!this.pools.includes(pool)) continue;
      const [job] = view.jobsOn(replica);
      if (job !== undefined) this.#own(view.job(job).pipeline, replica);
      else if (view.isUp(replica)) this.#idle[pool].add(replica);
    }
    this.#decider.begin?.(view, act);
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    this.#decider.woken?.(timer, view, act);
  }

  decide(view: ClusterView, act: Controls): void {
    this.#decider.decide?.(view, act);
  }

  /** The pools for which jobs of the pipeline wait. */
  waiting(pipeline: number, view: ClusterView): readonly number[] {
    this.#jobs.place(view, ({ job, pool }) => lineOf(view.job(job).pipeline, pool));
    const isWaited = (pool: number): boolean => this.#jobs.at(lineOf(pipeline, pool)).length > 0;
    return this.#poolsOf[pipeline].filter(isWaited);
  }

  /**
   * Starts the pipeline's next batch: of its pools with an idle replica that is allowed and has
   * room, the one whose next job is of the earliest request. The replica; undefined: none can start.
   */
  startNext(pipeline: number, view: ClusterView, act: Controls, allows: Allows = () => true) {
    for (;;) {
      const ways = this.waiting(pipeline, view).flatMap((pool) => {
        const replica = this.#idleReplica(pool, view, allows);
        return replica === undefined ? [] : [{ pool, replica, line: lineOf(pipeline, pool) }];
      });
      const next = leastBy(ways, ({ line }) => view.job(this.#jobs.at(line)[0].job).arrivedUs);
      if (next === undefined) return;
      const { pool, replica, line } = next;
      const batch = this.#takeBatch(line, replica, view, act);
      if (batch.length === 0) continue;
      act.start(replica, batch);
      this.#idle[pool].delete(replica);
      this.#own(pipeline, replica);
      return replica;
    }
  }

  /** As many as the pool's batching allows, none kept waiting for more; late ones may be dropped. */
  #takeBatch(line: string, replica: number, view: ClusterView, act: Controls): readonly number[] {
    const { pool } = view.system.replicas[replica];
    const { shedding = () => false } = this.#context.pools[pool];
    const most = this.#mostJobs[pool];
    const taken = this.#jobs.at(line).slice(0, most);
    this.#jobs.leave(taken);
    const batch = taken.map(({ job }) => job);
    const late = batch.filter((job) => shedding(view.job(job), replica, most, view.nowUs));
    for (const job of late) if (view.isWaiting(job)) act.drop(job);
    return batch.filter((job) => !late.includes(job) && view.isWaiting(job));
  }

  #own(pipeline: number, replica: number): void {
    this.#owners.set(replica, pipeline);
    this.shares.allocate(pipeline, this.resources.demandOf(replica));
  }

  #idleReplica(pool: number, view: ClusterView, allows: Allows): number | undefined {
    for (const replica of this.#idle[pool]) {
      if (!isIdle(view, replica)) this.#idle[pool].delete(replica);
      else if (allows(replica) && view.fits(replica)) return replica;
    }
    return;
  }
}
