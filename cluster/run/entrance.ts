/**
 * The bound that keeps a gateway useful under more load than it can carry: a request is refused at
 * the door when the queue before it would take too long, or longer than its client waits. Long
 * queues help nobody: at five times the capacity every answer would come too late.
 *
 *   expected wait = requests in the system / requests that the cluster ends in a second
 *
 * That rate is first what the traffic equations say of the scenario; whenever the cluster is kept
 * busy for a while, what it really did.
 */
import type { Scheduler } from "../../core/dispatch/policies.ts";
import { offeredLoad } from "../../core/stability/offered-load.ts";
import type { System } from "../../core/system.ts";

const WINDOW_MS = 500;
/** Weight of a window that shows more than was thought. */
const NEWEST = 0.5;
/** However short the bound in time, so many batches of every replica may be in the system. */
const BATCHES_EACH = 3;
const LEAST_RETRY_MS = 100;

export class QueueBound {
  readonly #maxQueueMs: number;
  readonly #least: number;
  #perMs: number;
  #windowStartMs: number;
  #ended = 0;
  #fewest = Number.POSITIVE_INFINITY;

  /** `maxQueueMs` and times given later are the wall clock's. */
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
   * How long a client should stay away that comes now and waits `patienceMs` at most; null when its
   * request is taken.
   */
  refusal(inSystem: number, patienceMs: number, nowMs: number): number | null {
    this.#look(inSystem, nowMs);
    if (inSystem < this.#least || this.#perMs === 0) return null;
    const waitMs = inSystem / this.#perMs;
    const longestMs = Math.min(this.#maxQueueMs, patienceMs);
    if (waitMs <= longestMs) return null;
    return Math.max(LEAST_RETRY_MS, waitMs - longestMs / 2);
  }

  /** A request was completed. */
  completed(inSystem: number, nowMs: number): void {
    this.#ended++;
    this.#look(inSystem, nowMs);
  }

  /** A window in which there was always enough to do shows what the cluster can do. */
  #look(inSystem: number, nowMs: number): void {
    if (inSystem < this.#fewest) this.#fewest = inSystem;
    const spanMs = nowMs - this.#windowStartMs;
    if (spanMs < WINDOW_MS) return;
    if (this.#fewest >= this.#least && this.#ended > 0) {
      const seen = this.#ended / spanMs;
      // What is slower than thought is believed at once: the queue is too long already.
      const fewer = this.#perMs === 0 || seen < this.#perMs;
      this.#perMs = fewer ? seen : (1 - NEWEST) * this.#perMs + NEWEST * seen;
    }
    this.#windowStartMs = nowMs;
    this.#ended = 0;
    this.#fewest = inSystem;
  }
}

/** A wait beyond the tightest latency goal is worth nothing; in wall-clock ms. */
export function longestUsefulMs(system: System, timeScale: number, otherwiseMs: number): number {
  const goalsMs = system.pipelines.map(({ sloUs }) => (sloUs * timeScale) / 1000);
  return Math.min(otherwiseMs, ...goalsMs.map((ms) => USEFUL_SHARE * ms));
}

/** The rest of the goal is for the work itself, and for chance. */
const USEFUL_SHARE = 0.5;
