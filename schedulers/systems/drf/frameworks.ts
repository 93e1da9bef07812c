/**
 * Pipelines as frameworks, that compete for the resources of nodes: the jobs that they have waiting, and the start of
 * the next batch. A batch holds jobs of one pipeline, and what it takes counts for that pipeline until it ends.
 */
import { assert } from "../../../engine/basics/fault.ts";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import { batchLimits, isIdle, placeablePools } from "../../rules/device-slots.ts";
import { PlacedJobs } from "../../rules/placed-jobs.ts";
import type { ControllerContext } from "../../rules/policy-definition.ts";
import { leastBy } from "../../rules/textbook.ts";

/** By resource, in its own unit. */
export type Amounts = readonly number[];

/** What frameworks hold, and which of them is served next. */
export interface Sorter {
  /** The one to serve next first. */
  order(): readonly number[];
  allocate(pipeline: number, amounts: Amounts): void;
  release(pipeline: number, amounts: Amounts): void;
}

interface Resource {
  readonly total: number;
  /** What a batch on a replica takes. */
  demandOf(replica: number): number;
  freeOn(node: number, view: ClusterView): number;
}

/**
 * Those that models demand and every node has a limited amount of. Where there is none, replicas are the resource, by kind
 * of device: a batch takes one.
 */
export function resourcesOf(system: System): readonly Resource[] {
  const { pools, replicas, nodes } = system;
  const placed = placeablePools(system);
  const limited = [...system.resources.keys()].flatMap((r): Resource[] => {
    const has = nodes.map(({ resources }) => resources[r]);
    const isDemanded = placed.some((pool) => pools[pool].demand[r] > 0);
    if (!isDemanded || !has.every(Number.isFinite)) return [];
    const demandOf = (replica: number): number => pools[replicas[replica].pool].demand[r];
    return [{ total: sumOf(has), demandOf, freeOn: (node, view) => view.freeOf(node, r) }];
  });
  if (limited.length > 0) return limited;
  const members = [...replicas.keys()].filter((r) => placed.includes(replicas[r].pool));
  const kinds = new Set(members.map((replica) => replicas[replica].device));
  return [...kinds].map((kind): Resource => {
    const own = members.filter((replica) => replicas[replica].device === kind);
    return {
      total: own.length,
      demandOf: (replica) => Number(replicas[replica].device === kind),
      freeOn: (node, view) =>
        own.filter((one) => replicas[one].node === node && isIdle(view, one)).length,
    };
  });
}

/** The jobs of a pipeline that wait for a pool. */
interface Line {
  readonly pool: number;
}

const NOBODY = -1;

export class Frameworks {
  /** A controller that hears what these have to know, and gives no commands. */
  readonly hearing: Controller;
  readonly #context: ControllerContext;
  readonly #sorter: Sorter;
  readonly #resources: readonly Resource[];
  /** By pool. */
  readonly #mostJobs: readonly number[];
  readonly #jobs = new PlacedJobs<Line>(true);
  /** By pipeline. */
  readonly #lines: readonly (readonly Line[])[];
  /** By pool: replicas that may be idle, the longest idle first; a look at the view tells. */
  readonly #idle: readonly Set<number>[];
  /** By replica: the pipeline that its batch counts for. */
  readonly #owners: Int32Array;

  constructor(context: ControllerContext, resources: readonly Resource[], sorter: Sorter) {
    const { pipelines, pools, replicas } = context.system;
    const placed = placeablePools(context.system);
    this.#context = context;
    this.#resources = resources;
    this.#sorter = sorter;
    this.#mostJobs = batchLimits(context.system, context.pools);
    this.#lines = pipelines.map(({ tasks }) => {
      const all = new Set(tasks.flatMap(({ variants }) => variants));
      return [...all].filter((pool) => placed.includes(pool)).map((pool) => ({ pool }));
    });
    this.#idle = pools.map(() => new Set());
    this.#owners = new Int32Array(replicas.length).fill(NOBODY);
    this.hearing = this.#hearing(placed);
  }

  #hearing(pools: readonly number[]): Controller {
    const { replicas } = this.#context.system;
    const isIdleAgain = (replica: number): void => {
      this.#idle[replicas[replica].pool].add(replica);
    };
    return {
      ...{ pools, scales: [], timers: 0, heedsResources: true },
      queued: (job, pool) => {
        const { ordering } = this.#context.pools[pool];
        const fromFirst = ordering.kind === "fifo" ? job.enteredUs : -job.enteredUs;
        this.#jobs.queued(job, pool, ordering.kind === "keyed" ? ordering.key(job) : fromFirst);
      },
      ended: (request) => this.#jobs.ended(request),
      finished: ({ replica }) => {
        const owner = this.#owners[replica];
        if (owner !== NOBODY) this.#sorter.release(owner, this.demandOf(replica));
        this.#owners[replica] = NOBODY;
        isIdleAgain(replica);
      },
      changed: (replica, state) => void (state === "up" && isIdleAgain(replica)),
      // Running batches count too: this scheduler may take over from another.
      begin: (view) => {
        for (const [replica, { pool }] of replicas.entries()) {
          if (!pools.includes(pool)) continue;
          const [job] = view.jobsOn(replica);
          if (job !== undefined) this.#own(view.job(job).pipeline, replica);
          else if (view.isUp(replica)) isIdleAgain(replica);
        }
      },
    };
  }

  demandOf(replica: number): Amounts {
    return this.#resources.map((resource) => resource.demandOf(replica));
  }

  /** Amounts that no batch has taken. O(replicas) where these are the resource. */
  freeOn(node: number, view: ClusterView): Amounts {
    return this.#resources.map((resource) => resource.freeOn(node, view));
  }

  /** The pipeline's lines that have a job. */
  waiting(pipeline: number, view: ClusterView): readonly Line[] {
    this.#jobs.place(view, ({ job, pool }) =>
      this.#lines[view.job(job).pipeline].find((line) => line.pool === pool),
    );
    return this.#lines[pipeline].filter((line) => this.#jobs.at(line).length > 0);
  }

  /**
   * Starts the pipeline's next batch: of its pools with an idle replica that is allowed and has
   * room, the one whose next job is of the earliest request. The replica; undefined: none can start.
   */
  startNext(
    pipeline: number,
    view: ClusterView,
    act: Controls,
    allows: (replica: number) => boolean = () => true,
  ): number | undefined {
    for (;;) {
      const ways = this.waiting(pipeline, view).flatMap((line) => {
        const replica = this.#idleReplica(line.pool, view, allows);
        return replica === undefined ? [] : [{ line, replica }];
      });
      const next = leastBy(ways, ({ line }) => view.job(this.#jobs.at(line)[0].job).arrivedUs);
      if (next === undefined) return undefined;
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

  /** As many as the pool's batching allows, none kept waiting for more; late ones may be dropped. */
  #takeBatch(line: Line, replica: number, view: ClusterView, act: Controls): readonly number[] {
    const { shedding = () => false } = this.#context.pools[line.pool];
    const most = this.#mostJobs[line.pool];
    const taken = this.#jobs.at(line).slice(0, most);
    this.#jobs.leave(taken);
    const batch = taken.map(({ job }) => job);
    const late = batch.filter((job) => shedding(view.job(job), replica, most, view.nowUs));
    for (const job of late) if (view.isWaiting(job)) act.drop(job);
    return batch.filter((job) => !late.includes(job) && view.isWaiting(job));
  }

  #own(pipeline: number, replica: number): void {
    this.#owners[replica] = pipeline;
    this.#sorter.allocate(pipeline, this.demandOf(replica));
  }

  #idleReplica(
    pool: number,
    view: ClusterView,
    allows: (replica: number) => boolean,
  ): number | undefined {
    for (const replica of this.#idle[pool]) {
      if (!isIdle(view, replica)) this.#idle[pool].delete(replica);
      else if (allows(replica) && view.fits(replica)) return replica;
    }
    return undefined;
  }
}
