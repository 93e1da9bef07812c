/**
 * The room for requests in a gateway, bounded in requests, in bytes and in time. Each check runs before
 * the gateway takes a request, so overload costs little and requests in the system keep their goals.
 */
import type { Scheduler } from "../../core/dispatch/policies.ts";
import { Fault } from "../../core/fault.ts";
import { offeredLoad } from "../../core/stability/offered-load.ts";
import type { System } from "../../core/system.ts";
import { heldBytesOf, type LiveRequest, type Submission } from "./live-request.ts";
import type { ServiceBounds } from "./specification.ts";

/** A full gateway cannot tell when it has room again. */
const RETRY_AFTER_FULL_MS = 1000;

interface RoomOptions {
  /** The system without room for replicas that can be added. */
  readonly ownSystem: System;
  readonly timeScale: number;
  readonly bounds: ServiceBounds;
  /** Whether queues are bounded in time. */
  readonly boundQueue: boolean;
}

export class Room {
  readonly #options: RoomOptions;
  /** Null: queues may be of any length in time. */
  #queue: QueueBound | null;
  #heldBytes = 0;

  constructor(options: RoomOptions, scheduler: Scheduler) {
    this.#options = options;
    this.#queue = this.#boundOf(scheduler);
  }

  /** Restarts the estimate of the rate for another scheduler. */
  reschedule(scheduler: Scheduler): void {
    this.#queue = this.#boundOf(scheduler);
  }

  /** Throws Fault("overloaded") when the gateway holds too many requests or bytes. */
  checkHeld(submission: Submission, inSystem: number): void {
    const { maxInSystem, maxHeldBytes } = this.#options.bounds;
    const bytes = this.#heldBytes + heldBytesOf(submission);
    if (inSystem < maxInSystem && bytes <= maxHeldBytes) return;
    throw refusal(`the gateway already holds ${inSystem} requests`, RETRY_AFTER_FULL_MS);
  }

  /** Throws Fault("overloaded") when the queue takes longer than the bound, or than the client waits. */
  checkQueue({ deadlineMs = Number.POSITIVE_INFINITY }: Submission, inSystem: number): void {
    const awayMs = this.#queue?.refusal(inSystem, deadlineMs, performance.now()) ?? null;
    if (awayMs === null) return;
    throw refusal(`${inSystem} requests are before it, which takes too long`, awayMs);
  }

  /** Call `left` once for each request that entered. */
  entered({ bytes }: LiveRequest): void {
    this.#heldBytes += bytes;
  }

  left({ bytes }: LiveRequest, completed: boolean, inSystem: number): void {
    this.#heldBytes -= bytes;
    if (completed) this.#queue?.completed(inSystem, performance.now());
  }

  #boundOf(scheduler: Scheduler): QueueBound | null {
    const { ownSystem: system, timeScale, bounds, boundQueue } = this.#options;
    if (!boundQueue || bounds.maxQueueMs === null) return null;
    const maxQueueMs = longestUsefulMs(system, timeScale, bounds.maxQueueMs);
    const nowMs = performance.now();
    return new QueueBound(system, scheduler, { maxQueueMs, timeScale, nowMs });
  }
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
 * Bounds the queue in time: long queues help no client, and at five times the capacity every answer would
 * come too late.
 *
 *   expected wait = requests in the system / requests that the cluster completes in a second
 *
 * The rate starts with the traffic equations of the scenario. Each window in which the cluster was busy
 * corrects it by measurement.
 */
export class QueueBound {
  readonly #maxQueueMs: number;
  readonly #least: number;
  #perMs: number;
  #windowStartMs: number;
  #ended = 0;
  #fewest = Number.POSITIVE_INFINITY;

  /** All times in ms are the wall clock's. */
  constructor(
    system: System,
    scheduler: Scheduler,
    { maxQueueMs, timeScale, nowMs }: { maxQueueMs: number; timeScale: number; nowMs: number },
  ) {
    this.#maxQueueMs = maxQueueMs;
    this.#windowStartMs = nowMs;
    const load = offeredLoad(system, scheduler, 1);
    this.#perMs = load === null || load.ratio === 0 ? 0 : 1 / load.ratio / 1000 / timeScale;
    const slots = system.pools.map(
      ({ count, maxBatch }, pool) =>
        count * Math.min(maxBatch, scheduler.pools[pool].batching.maxBatch),
    );
    this.#least = BATCHES_EACH * slots.reduce((sum, jobs) => sum + jobs, 0);
  }

  /**
   * How long a client with `patienceMs` should wait before it tries again, ms; null when there is room for
   * its request.
   */
  refusal(inSystem: number, patienceMs: number, nowMs: number): number | null {
    this.#look(inSystem, nowMs);
    if (inSystem < this.#least || this.#perMs === 0) return null;
    const waitMs = inSystem / this.#perMs;
    const longestMs = Math.min(this.#maxQueueMs, patienceMs);
    if (waitMs <= longestMs) return null;
    return Math.max(LEAST_RETRY_MS, waitMs - longestMs / 2);
  }

  completed(inSystem: number, nowMs: number): void {
    this.#ended++;
    this.#look(inSystem, nowMs);
  }

  /** A window in which the cluster was always busy shows its capacity. */
  #look(inSystem: number, nowMs: number): void {
    if (inSystem < this.#fewest) this.#fewest = inSystem;
    const spanMs = nowMs - this.#windowStartMs;
    if (spanMs < WINDOW_MS) return;
    if (this.#fewest >= this.#least && this.#ended > 0) {
      const seen = this.#ended / spanMs;
      // A lower rate counts in full at once: the queue is too long already.
      const fewer = this.#perMs === 0 || seen < this.#perMs;
      this.#perMs = fewer ? seen : (1 - NEWEST) * this.#perMs + NEWEST * seen;
    }
    this.#windowStartMs = nowMs;
    this.#ended = 0;
    this.#fewest = inSystem;
  }
}

/** The tightest latency goal bounds the useful wait; wall-clock ms. */
export function longestUsefulMs(system: System, timeScale: number, otherwiseMs: number): number {
  const goalsMs = system.pipelines.map(({ sloUs }) => (sloUs * timeScale) / 1000);
  return Math.min(otherwiseMs, ...goalsMs.map((ms) => USEFUL_SHARE * ms));
}

/** Leaves the rest of the goal to the work and to chance. */
const USEFUL_SHARE = 0.5;
