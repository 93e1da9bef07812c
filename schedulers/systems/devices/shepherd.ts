/**
 * SHEPHERD's online algorithm, Flex: always the largest batch that is still in time, and a running
 * batch gives way to one that is larger by more than a factor.
 *
 *   a device is free ─> the largest feasible batch of all models
 *   a request comes  ─> on each device: the largest feasible batch of its model and of the model that
 *                       runs there; where that is λ times the running batch, it takes its place
 *
 * A batch is feasible when it ends by the earliest deadline in it. The jobs of a pre-empted batch wait
 * again as new arrivals. No deterministic policy without pre-emption is within any bound of the
 * optimum: one small batch that has started may cost any number of requests (theorem 5.1).
 */
import { z } from "zod";
import { leastBy } from "../../../engine/basics/iterables.ts";
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import {
  batchLimits,
  idleOf,
  placeablePools,
  runningOn,
  type SlotReplicas,
  slotsOf,
} from "../../rules/device-slots.ts";
import { within } from "../../rules/parameters.ts";
import { type ControllerContext, defineController, packOf } from "../../rules/policy-definition.ts";

const NONE = -1;

/** The batch that could start on a device. */
interface Candidate {
  readonly replica: number;
  readonly size: number;
}

interface Device extends SlotReplicas {
  /** A batch that the driver could not take off: it runs to its end. */
  fixed: number;
}

class Flex implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly timers = 1;
  readonly preempts = true;
  readonly #factor: number;
  readonly #limits: readonly number[];
  readonly #devices: readonly Device[];
  /** By pool: the least time that a job takes alone. */
  readonly #aloneUs: readonly number[];
  /** Pools with arrivals since the last decision, in order. */
  readonly #fresh = new Set<number>();

  constructor({ system, pools }: ControllerContext, factor: number) {
    this.pools = placeablePools(system);
    this.#factor = factor;
    this.#limits = batchLimits(system, pools);
    this.#devices = slotsOf(system, this.pools).map((slot) => ({ ...slot, fixed: NONE }));
    this.#aloneUs = system.pools.map(({ first, count }) => {
      const members = system.replicas.slice(first, first + count);
      return count === 0 ? 0 : Math.min(...members.map(({ service }) => service.meanUs[1]));
    });
  }

  queued(_job: JobView, pool: number): void {
    this.#fresh.add(pool);
  }

  finished({ replica }: BatchEnd): void {
    for (const device of this.#devices) if (device.fixed === replica) device.fixed = NONE;
  }

  decide(view: ClusterView, act: Controls): void {
    for (const pool of this.pools) {
      while (view.nowUs > this.#latestUs(view, pool)) act.drop(view.queue(pool).next.job);
    }
    for (const device of this.#devices) {
      if (runningOn(view, device) !== undefined) continue;
      const best = this.#largest(view, device, [...device.members.keys()]);
      if (best !== undefined) act.startNext(best.replica, best.size);
    }
    for (const pool of this.#fresh) {
      this.#fresh.delete(pool);
      this.#preemptFor(pool, view, act);
    }
    const latestUs = Math.min(...this.pools.map((pool) => this.#latestUs(view, pool)));
    act.wakeAt(0, Math.max(view.nowUs + 1, Math.ceil(latestUs + 1)));
  }

  /** Puts the best batch of a pool in the place of the running one that it exceeds most. */
  #preemptFor(pool: number, view: ClusterView, act: Controls): void {
    const larger = this.#devices.flatMap((device) => {
      const current = runningOn(view, device);
      if (current === undefined || device.fixed !== NONE || !device.members.has(pool)) return [];
      const { pool: currentPool } = view.system.replicas[current];
      if (!view.system.pools[currentPool].stoppable) return [];
      const next = this.#largest(view, device, [...new Set([pool, currentPool])]);
      const ratio = (next?.size ?? 0) / view.running(current);
      return next === undefined || ratio < this.#factor ? [] : [{ device, current, next, ratio }];
    });
    const best = leastBy(larger, ({ ratio }) => -ratio);
    if (best === undefined) return;
    const { device, current, next } = best;
    if (act.preempt(current)) act.startNext(next.replica, next.size);
    else device.fixed = current;
    // The pool's other jobs may exceed another device's batch.
    this.#fresh.add(pool);
  }

  /** The largest feasible batch of these pools on a device, that of the first pool among equals. */
  #largest(view: ClusterView, device: Device, pools: readonly number[]): Candidate | undefined {
    const current = runningOn(view, device);
    const candidates = pools.flatMap((pool): Candidate[] => {
      const isCurrent = current !== undefined && view.system.replicas[current].pool === pool;
      const replica = isCurrent ? current : idleOf(view, device.members.get(pool) ?? []);
      if (replica === undefined || !view.isUp(replica)) return [];
      const size = this.#feasible(view, pool, replica, isCurrent ? view.jobsOn(current) : []);
      return size === 0 ? [] : [{ replica, size }];
    });
    return leastBy(candidates, ({ size }) => -size);
  }

  /** The most jobs, earliest deadlines first, that end by the earliest; `more` count besides the queue. */
  #feasible(view: ClusterView, pool: number, replica: number, more: readonly number[]): number {
    const { nowUs } = view;
    const { length } = view.queue(pool);
    let deadlineUs = length > 0 ? view.queue(pool).next.deadlineUs : Number.POSITIVE_INFINITY;
    for (const job of more) deadlineUs = Math.min(deadlineUs, view.job(job).deadlineUs);
    let size = Math.min(this.#limits[pool], length + more.length);
    while (size > 0 && nowUs + view.expectedUs(replica, size) > deadlineUs) size--;
    return size;
  }

  /** When the next waiting job of a pool has to start, alone, to be in time; Infinity where none waits. */
  #latestUs(view: ClusterView, pool: number): number {
    const queue = view.queue(pool);
    if (queue.length === 0) return Number.POSITIVE_INFINITY;
    return queue.next.deadlineUs - this.#aloneUs[pool];
  }
}

const controller = defineController({
  name: "shepherd",
  summary: "the largest batch in time; it pre-empts a batch that it exceeds by a factor",
  idea: "Flex: a free device runs the largest batch, of all models, that ends by the earliest deadline in it; a batch that has grown to λ times the one that runs takes its place, where that one's model is `stoppable`, and the requests of that one wait again.",
  reads:
    "Deadlines, expected service times by batch size, the number of requests in each running batch.",
  failsWhen:
    "Models are not `stoppable` (real ones are not): then it never pre-empts. Work begun is dear: a pre-empted batch starts anew, and models with small batches starve beside those with large ones.",
  source:
    "Zhang et al., SHEPHERD, NSDI 2023, algorithm 2, with the corrections of its re-implementation (abcdabcd987/nexuslb, after its authors): a request is tested at |B| + 1, against the earliest deadline in the batch, and a free device needs no second look at the others. A batch stops at once, not at the next exit point. Not there: HERD, the planner that puts models and devices into groups by an integer program. All devices here are one group.",
  parameters: z.strictObject({
    lambda: within(1.001, 1000, 3.03, "ratio of requests that pre-empts; 2.38 for a single model"),
  }),
  create: ({ lambda }, context) => new Flex(context, lambda),
});

export const shepherd = packOf(controller, {
  ordering: "edf",
  batching: { policy: "size-or-timeout", maxBatch: 128, waitMs: 0 },
});
