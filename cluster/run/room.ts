/** Reasons to refuse requests: bounds in number, in bytes and in time, and tasks without a replica. */

import { Fault } from "../../engine/basics/fault.ts";
import type { Scheduler } from "../../engine/dispatch/policies.ts";
import { offeredLoad } from "../../engine/stability/offered-load.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { System } from "../../engine/system/system.ts";
import { RETRY_AFTER_MS } from "../security/limits.ts";
import type { Clock } from "../time/clock.ts";
import { heldBytesOf, type LiveRequest, type Submission } from "./live-request.ts";
import type { ReplicaLinks } from "./replica-links.ts";
import type { ServiceBounds } from "./specification.ts";

interface RoomOptions {
  /** The system without room for replicas that can be added. */
  readonly ownSystem: System;
  readonly timeScale: number;
  readonly bounds: ServiceBounds;
  /** Whether queues are bounded in time. */
  readonly boundQueue: boolean;
}

export type Room = ReturnType<typeof roomOf>;

export function roomOf(options: RoomOptions, scheduler: Scheduler, clock: Pick<Clock, "nowUs">) {
  const { ownSystem: system, timeScale, bounds, boundQueue } = options;
  const nowMs = (): number => clock.nowUs() / 1000;
  let heldBytes = 0;
  const boundOf = (by: Scheduler): ReturnType<typeof queueBound> | null => {
    if (!boundQueue || bounds.maxQueueMs === null) return null;
    const maxQueueMs = longestUsefulMs(system, timeScale, bounds.maxQueueMs);
    return queueBound(system, by, { maxQueueMs, timeScale, nowMs: nowMs() });
  };
  let queue = boundOf(scheduler);
  return {
    /** Restarts the estimate of the rate for another scheduler. */
    reschedule(next: Scheduler): void {
      queue = boundOf(next);
    },
    /** Throws Fault("overloaded") when the gateway holds too many requests or bytes. */
    checkHeld(submission: Submission, inSystem: number): void {
      const bytes = heldBytes + heldBytesOf(submission);
      if (inSystem < bounds.maxInSystem && bytes <= bounds.maxHeldBytes) return;
      throw refusal(`the gateway already holds ${inSystem} requests`, RETRY_AFTER_MS);
    },
    /** Throws Fault("overloaded") when the queue takes longer than the bound, or than the client waits. */
    checkQueue({ deadlineMs = Number.POSITIVE_INFINITY }: Submission, inSystem: number): void {
      const awayMs = queue?.refusal(inSystem, deadlineMs, nowMs()) ?? null;
      if (awayMs === null) return;
      throw refusal(`${inSystem} requests are before it, which takes too long`, awayMs);
    },
    /** Call `left` once for each request that entered. */
    entered({ bytes }: LiveRequest): void {
      heldBytes += bytes;
    },
    left({ bytes }: LiveRequest, completed: boolean, inSystem: number): void {
      heldBytes -= bytes;
      if (completed) queue?.completed(inSystem, nowMs());
    },
  };
}

function refusal(why: string, retryAfterMs: number): Fault {
  const hint = `try again in ${Math.ceil(retryAfterMs)} ms`;
  return new Fault("overloaded", `refused: ${why}`, { hint, retryAfterMs });
}

const WINDOW_MS = 500;
/** Weight of a window with a higher rate than before. */
const NEWEST = 0.5;
/** So many batches of every replica may be in the system, however short the bound in time. */
const BATCHES_EACH = 3;
const LEAST_RETRY_MS = 100;

/**
 * Bounds the queue in time, as an answer that comes too late helps no client (times in wall-clock ms):
 *
 *   expected wait = requests in the system / requests that the cluster completes in a second
 *
 * The rate starts with the scenario's traffic equations; each busy window corrects it by measurement.
 */
export function queueBound(
  system: System,
  scheduler: Scheduler,
  { maxQueueMs, timeScale, nowMs }: { maxQueueMs: number; timeScale: number; nowMs: number },
) {
  const load = offeredLoad(system, scheduler, 1);
  let perMs = load === null || load.ratio === 0 ? 0 : 1 / load.ratio / 1000 / timeScale;
  const slots = system.pools.map(
    ({ count, maxBatch }, pool) =>
      count * Math.min(maxBatch, scheduler.pools[pool].batching.maxBatch),
  );
  const least = BATCHES_EACH * sumOf(slots);
  let windowStartMs = nowMs;
  let ended = 0;
  let fewest = Number.POSITIVE_INFINITY;
  /** A window in which the cluster was always busy shows its capacity. */
  const look = (inSystem: number, atMs: number): void => {
    if (inSystem < fewest) fewest = inSystem;
    const spanMs = atMs - windowStartMs;
    if (spanMs < WINDOW_MS) return;
    if (fewest >= least && ended > 0) {
      const seen = ended / spanMs;
      // A lower rate counts in full at once: the queue is too long already.
      const fewer = perMs === 0 || seen < perMs;
      perMs = fewer ? seen : (1 - NEWEST) * perMs + NEWEST * seen;
    }
    windowStartMs = atMs;
    ended = 0;
    fewest = inSystem;
  };
  return {
    /** After how many ms a client with `patienceMs` should try again; null when there is room for its request. */
    refusal(inSystem: number, patienceMs: number, atMs: number): number | null {
      look(inSystem, atMs);
      if (inSystem < least || perMs === 0) return null;
      const waitMs = inSystem / perMs;
      const longestMs = Math.min(maxQueueMs, patienceMs);
      return waitMs <= longestMs ? null : Math.max(LEAST_RETRY_MS, waitMs - longestMs / 2);
    },
    completed(inSystem: number, atMs: number): void {
      ended++;
      look(inSystem, atMs);
    },
  };
}

/** Half of the tightest latency goal, which leaves the rest to the work and to chance; wall-clock ms. */
export function longestUsefulMs(system: System, timeScale: number, otherwiseMs: number): number {
  const goalsMs = system.pipelines.map(({ sloUs }) => (sloUs * timeScale) / 1000);
  return Math.min(otherwiseMs, ...goalsMs.map((ms) => ms / 2));
}

export type TaskOutages = ReturnType<typeof taskOutages>;

/** After `outageMs` without a replica, a task's requests fail, and further ones are refused. */
export function taskOutages(
  { pools, pipelines }: System,
  links: ReplicaLinks,
  outageMs: number,
  clock: Pick<Clock, "nowUs">,
) {
  const present = (): number => clock.nowUs() / 1000;
  /** By pool: since when none of its replicas has been up; null: one is. */
  const sinceMs = pools.map((): number | null => null);
  const isUp = (pool: number): boolean => {
    const { first, count } = pools[pool];
    return links.all.slice(first, first + count).some((link) => link?.up === true);
  };
  const isLasting = (pool: number): boolean => {
    const since = sinceMs[pool];
    return since !== null && present() - since >= outageMs;
  };
  const errorOf = (pool: number): Fault => {
    const message = `no replica of ${pools[pool].task} has been up for ${outageMs / 1000} s`;
    const hint = "try again once one is up";
    return new Fault("unavailable", message, { hint, retryAfterMs: RETRY_AFTER_MS });
  };
  return {
    errorOf,
    /** Looks at the replicas; returns the pools that have had none for `outageMs`. Call it regularly. */
    look(): readonly number[] {
      const nowMs = present();
      for (const [pool, since] of sinceMs.entries()) {
        sinceMs[pool] = isUp(pool) ? null : (since ?? nowMs);
      }
      return [...sinceMs.keys()].filter(isLasting);
    },
    /** Whether each task of a pipeline has a replica that is up. */
    isServed: (pipeline: number): boolean =>
      pipelines[pipeline].tasks.every(({ variants }) => variants.some(isUp)),
    /** Throws Fault("unavailable") when a task of the pipeline has had no replica for `outageMs`. */
    check(pipeline: number): void {
      const out = pipelines[pipeline].tasks.find(({ variants }) =>
        variants.every((pool) => isLasting(pool) && !isUp(pool)),
      );
      if (out !== undefined) throw errorOf(out.variants[0]);
    },
    /** Whether a request still needs a pool that is out, and no other variant of its task is there. */
    needs: ({ pipeline, results }: LiveRequest, pool: number): boolean =>
      pipelines[pipeline].tasks.some(
        ({ variants }, task) =>
          variants.includes(pool) && results[task] === null && variants.every(isLasting),
      ),
  };
}
