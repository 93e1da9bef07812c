/**
 * Answers by idempotency key: callers with one key share one run, or get its result later from a bounded
 * table in memory. Inference has no side effects, so a result that is no longer there is computed again.
 */
import { Fault } from "../../core/fault.ts";
import {
  type Answer,
  Caller,
  contentsHash,
  detachedRequest,
  ownResult,
  type Submission,
  type TaskResult,
} from "./live-request.ts";
import type { ServiceBounds } from "./specification.ts";

const MAX_KEY_LENGTH = 255;
/** Size of an entry without its contents. */
const ENTRY_BYTES = 500;

interface KeptAnswer {
  readonly fingerprint: string;
  readonly index: number | null;
  readonly arrivedUs: number;
  readonly endedUs: number;
  readonly results: readonly (TaskResult | null)[];
  /** `performance.now()` at the answer. */
  readonly atMs: number;
  readonly bytes: number;
}

/** The running request of a key, with all callers that wait for its answer. */
interface SharedRequest {
  readonly fingerprint: string;
  readonly callers: Set<Caller>;
  /** Gives up the request. */
  cancel: () => void;
}

export class AnswerBook {
  readonly #bounds: ServiceBounds["keys"];
  readonly #running = new Map<string, SharedRequest>();
  /** The oldest first. */
  readonly #kept = new Map<string, KeptAnswer>();
  #keptBytes = 0;

  constructor(bounds: ServiceBounds["keys"]) {
    this.#bounds = bounds;
  }

  /** Keys with a kept answer. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * `start` runs the request with a function for its answer, and returns a function that gives it up; its
   * errors are rethrown. Throws Fault("invalid-input") for a malformed key, or one of another request.
   */
  ask(
    key: string,
    submission: Submission,
    start: (answer: (given: Answer) => void) => () => void,
  ): Caller {
    if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
      throw new Fault("invalid-input", `an idempotency key has 1 to ${MAX_KEY_LENGTH} characters`);
    }
    this.#dropBeyondBounds();
    const { pipeline, index } = submission;
    const fingerprint = contentsHash(submission, pipeline, index);
    const running = this.#running.get(key);
    const kept = this.#kept.get(key);
    const known = running ?? kept;
    if (known !== undefined && known.fingerprint !== fingerprint) {
      throw new Fault("invalid-input", "this idempotency key was used for another request", {
        hint: "use a new key for each request, and the same only to try the same request again",
      });
    }
    const caller = new Caller(submission);
    if (running !== undefined) {
      running.callers.add(caller);
      return this.#wait(key, running, caller);
    }
    if (kept !== undefined) return answerAgain(submission, kept, caller);
    const callers = new Set([caller]);
    const shared: SharedRequest = { fingerprint, callers, cancel: () => undefined };
    this.#running.set(key, shared);
    try {
      shared.cancel = start((given) => this.#answered(key, shared, given));
    } catch (error) {
      this.#running.delete(key);
      throw error;
    }
    return this.#wait(key, shared, caller);
  }

  #answered(key: string, shared: SharedRequest, given: Answer): void {
    if (this.#running.get(key) === shared) this.#running.delete(key);
    if (given.outcome === "completed") this.#keep(key, shared.fingerprint, given);
    for (const caller of shared.callers) caller.answer(given);
  }

  /** The request is given up with its last caller; the key is then free again. */
  #wait(key: string, shared: SharedRequest, caller: Caller): Caller {
    return caller.waits(() => {
      shared.callers.delete(caller);
      if (shared.callers.size > 0) return;
      if (this.#running.get(key) === shared) this.#running.delete(key);
      shared.cancel();
    });
  }

  #keep(key: string, fingerprint: string, { request, endedUs }: Answer): void {
    const { index, arrivedUs } = request;
    const results = request.results.map((result) => (result === null ? null : ownResult(result)));
    const bytes = ENTRY_BYTES + results.reduce((sum, result) => sum + bytesOf(result), 0);
    const atMs = performance.now();
    this.#kept.set(key, { fingerprint, index, arrivedUs, endedUs, results, atMs, bytes });
    this.#keptBytes += bytes;
    this.#dropBeyondBounds();
  }

  #dropBeyondBounds(): void {
    const { keepMs, maxKeys, maxBytes } = this.#bounds;
    const oldestMs = performance.now() - keepMs;
    for (const [key, { atMs, bytes }] of this.#kept) {
      const fits = this.#kept.size <= maxKeys && this.#keptBytes <= maxBytes;
      if (atMs > oldestMs && fits) return;
      this.#kept.delete(key);
      this.#keptBytes -= bytes;
    }
  }
}

function bytesOf(result: TaskResult | null): number {
  if (result === null) return 0;
  return result.tensors.reduce((sum, { raw }) => sum + raw.length, 2 * result.text.length);
}

/** Answers after this turn, like every answer. */
function answerAgain(submission: Submission, kept: KeptAnswer, caller: Caller): Caller {
  setImmediate(() => {
    const { index, arrivedUs, endedUs, results } = kept;
    const request = { ...detachedRequest(submission), index, arrivedUs, results: [...results] };
    caller.answer({ outcome: "completed", error: null, endedUs, request });
  });
  return caller.waits(() => undefined);
}
