/** Who is let in: what the gateway holds is bounded in requests, in bytes and in time. */
import type { Scheduler } from "../../core/dispatch/policies.ts";
import { Fault } from "../../core/fault.ts";
import { longestUsefulMs, QueueBound } from "./entrance.ts";
import type { LiveRequest, Submission } from "./live-request.ts";
import { heldBytesOf } from "./live-request.ts";
import type { RunOptions } from "./run-options.ts";

/** Of a gateway that holds all it can: nobody knows for how long. */
const RETRY_AFTER_MS = 1000;

export class Door {
  readonly #maxInSystem: number;
  readonly #maxHeldBytes: number;
  readonly #options: RunOptions;
  /** Null: queues may be of any length in time. */
  #queue: QueueBound | null;
  #heldBytes = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#maxInSystem = options.bounds.maxInSystem;
    this.#maxHeldBytes = options.bounds.maxHeldBytes;
    this.#queue = this.#boundOf(options.scheduler);
  }

  /** Another scheduler decides: what it can do is thought of anew. */
  reschedule(scheduler: Scheduler): void {
    this.#queue = this.#boundOf(scheduler);
  }

  #boundOf(scheduler: Scheduler): QueueBound | null {
    const { ownSystem: system, timeScale, bounds, boundQueue } = this.#options;
    if (!boundQueue || bounds.maxQueueMs === null) return null;
    const maxQueueMs = longestUsefulMs(system, timeScale, bounds.maxQueueMs);
    const nowMs = performance.now();
    return new QueueBound(system, scheduler, { maxQueueMs, timeScale, nowMs });
  }

  /**
   * Throws Fault("overloaded") when there is no room. Who has entered leaves once; whom `take` throws
   * over has not entered.
   */
  enter(submission: Submission, inSystem: number, take: () => LiveRequest): LiveRequest {
    const bytes = heldBytesOf(submission);
    if (inSystem >= this.#maxInSystem || this.#heldBytes + bytes > this.#maxHeldBytes) {
      refuse(`the gateway already holds ${inSystem} requests`, RETRY_AFTER_MS);
    }
    const patienceMs = submission.deadlineMs ?? Number.POSITIVE_INFINITY;
    const awayMs = this.#queue?.refusal(inSystem, patienceMs, performance.now()) ?? null;
    if (awayMs !== null) refuse(`${inSystem} requests are before it, which takes too long`, awayMs);
    this.#heldBytes += bytes;
    try {
      return take();
    } catch (error) {
      this.#heldBytes -= bytes;
      throw error;
    }
  }

  left(request: LiveRequest, completed: boolean, inSystem: number): void {
    this.#heldBytes -= heldBytesOf(request);
    if (completed) this.#queue?.completed(inSystem, performance.now());
  }
}

function refuse(why: string, retryAfterMs: number): never {
  const hint = `try again in ${Math.ceil(retryAfterMs)} ms`;
  throw new Fault("overloaded", `refused: ${why}`, { hint, retryAfterMs });
}
