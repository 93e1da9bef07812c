/** A caller that waits for its answer, until its deadline. */
import { type Answer, detachedRequest, type Submission, type Ticket } from "./live-request.ts";

/** Timers of the event loop cannot count longer waits, so such a deadline is none. */
const LONGEST_MS = 2 ** 31 - 1;

export class Caller implements Ticket {
  readonly #submission: Submission;
  #leave: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #open = true;

  constructor(submission: Submission) {
    this.#submission = submission;
  }

  /** Ignores the answer of a caller that waits no longer. */
  readonly answer = (given: Answer): void => {
    if (this.#close()) this.#submission.answer(given);
  };

  /** Starts the deadline. `leave` gives up the caller's share of the work. */
  waits(leave: () => void): this {
    if (!this.#open) return this;
    this.#leave = leave;
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.#submission;
    if (deadlineMs <= LONGEST_MS) {
      this.#timer = setTimeout(() => this.#expire(deadlineMs), deadlineMs);
    }
    return this;
  }

  /** The run may still answer the cancelled request, within this call. */
  cancel(): void {
    if (this.#open) this.#leave();
    this.#close();
  }

  #expire(deadlineMs: number): void {
    if (!this.#close()) return;
    this.#leave();
    const message = `no answer within the ${Math.round(deadlineMs)} ms that its client waits`;
    this.#submission.answer({
      outcome: "cancelled",
      error: { code: "deadline-exceeded", message },
      request: detachedRequest(this.#submission),
      endedUs: 0,
    });
  }

  /** False when it was closed already. */
  #close(): boolean {
    const wasOpen = this.#open;
    this.#open = false;
    clearTimeout(this.#timer);
    return wasOpen;
  }
}
