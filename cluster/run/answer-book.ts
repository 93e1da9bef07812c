/**
 * Answers by idempotency key. A key's first request runs; requests that come with it meanwhile wait
 * for the same answer, later ones get it from a bounded table in memory. Only answers are kept: a
 * request that failed may be tried again with its key.
 *
 * Inference has no side effects, so a key whose answer the table has dropped, or that a gateway before
 * a crash had answered, is computed again: each caller still gets one answer.
 */
import { createHash } from "node:crypto";
import { Fault } from "../../core/fault.ts";
import type { Submission } from "./live-request.ts";
import { type Answer, detachedRequest, type TaskResult, type Ticket } from "./live-request.ts";
import type { KeyBounds } from "./service-bounds.ts";

const MAX_KEY_LENGTH = 255;
/** An entry of the table without its contents. */
const ENTRY_BYTES = 500;

/** An answer that can be given again. */
interface KeptAnswer {
  readonly fingerprint: string;
  readonly index: number | null;
  readonly arrivedUs: number;
  readonly endedUs: number;
  readonly results: readonly (TaskResult | null)[];
  /** `performance.now()` when it was given. */
  readonly atMs: number;
  readonly bytes: number;
}

/** A key whose request runs. */
interface Running {
  readonly fingerprint: string;
  readonly waiting: Set<Submission>;
  ticket: Ticket | null;
  ended: boolean;
}

export class AnswerBook {
  readonly #bounds: KeyBounds;
  readonly #running = new Map<string, Running>();
  /** The oldest first. */
  readonly #kept = new Map<string, KeptAnswer>();
  #keptBytes = 0;

  constructor(bounds: KeyBounds) {
    this.#bounds = bounds;
  }

  /** Keys whose answers can be given again. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * `run` starts the request of a key that has neither an answer nor a request under way. Throws a
   * Fault for a key that is malformed or was used for another request, and what `run` throws.
   */
  submit(key: string, submission: Submission, run: (submission: Submission) => Ticket): Ticket {
    if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
      throw new Fault("invalid-input", `an idempotency key has 1 to ${MAX_KEY_LENGTH} characters`);
    }
    this.#dropBeyondBounds();
    const fingerprint = fingerprintOf(submission);
    const running = this.#running.get(key);
    const kept = this.#kept.get(key);
    const known = running ?? kept;
    if (known !== undefined && known.fingerprint !== fingerprint) {
      throw new Fault("invalid-input", "this idempotency key was used for another request", {
        hint: "use a new key for each request, and the same only to try the same request again",
      });
    }
    if (running === undefined && kept !== undefined) return answerAgain(submission, kept);
    return this.#wait(key, running ?? this.#start(key, fingerprint, submission, run), submission);
  }

  #start(
    key: string,
    fingerprint: string,
    submission: Submission,
    run: (submission: Submission) => Ticket,
  ): Running {
    const waiting = new Set([submission]);
    const running: Running = { fingerprint, waiting, ticket: null, ended: false };
    this.#running.set(key, running);
    // Each who waits has a deadline of its own; the work goes on while anybody does.
    const { deadlineMs: _own, ...shared } = submission;
    try {
      running.ticket = run({ ...shared, answer: (given) => this.#ended(key, running, given) });
    } catch (error) {
      this.#running.delete(key);
      throw error;
    }
    return running;
  }

  #ended(key: string, running: Running, given: Answer): void {
    running.ended = true;
    if (this.#running.get(key) === running) this.#running.delete(key);
    if (given.outcome === "completed") this.#keep(key, running.fingerprint, given);
    const told = [...running.waiting];
    running.waiting.clear();
    for (const { answer } of told) answer(given);
  }

  /** The request is given up once nobody waits for it; its key is then free again. */
  #wait(key: string, running: Running, submission: Submission): Ticket {
    if (!running.ended) running.waiting.add(submission);
    return {
      cancel: () => {
        if (!running.waiting.delete(submission) || running.waiting.size > 0) return;
        if (this.#running.get(key) === running) this.#running.delete(key);
        running.ticket?.cancel();
      },
    };
  }

  #keep(key: string, fingerprint: string, { request, endedUs }: Answer): void {
    const { index, arrivedUs } = request;
    const results = request.results.map(ownResult);
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

/** A tensor is a view of the message that it came in: a copy lets the message go. */
function ownResult(result: TaskResult | null): TaskResult | null {
  if (result === null || result.tensors.length === 0) return result;
  const tensors = result.tensors.map((tensor) => ({ ...tensor, raw: tensor.raw.slice() }));
  return { ...result, tensors };
}

function bytesOf(result: TaskResult | null): number {
  if (result === null) return 0;
  return result.tensors.reduce((sum, { raw }) => sum + raw.length, 2 * result.text.length);
}

/** After this turn, like every answer. */
function answerAgain(submission: Submission, kept: KeptAnswer): Ticket {
  let waits = true;
  setImmediate(() => {
    if (!waits) return;
    const { index, arrivedUs, endedUs, results } = kept;
    const request = { ...detachedRequest(submission), index, arrivedUs, results: [...results] };
    submission.answer({ outcome: "completed", error: null, endedUs, request });
  });
  return {
    cancel: () => {
      waits = false;
    },
  };
}

/** Over all that a request's answer depends on. */
function fingerprintOf({ pipeline, index, payload, tensors = [] }: Submission): string {
  const heads = tensors.map(({ name, datatype, shape, raw }) => [
    name,
    datatype,
    shape,
    raw.length,
  ]);
  const hash = createHash("sha256");
  hash.update(`${JSON.stringify([pipeline, index, payload.length, heads])}\n`).update(payload);
  for (const { raw } of tensors) hash.update(raw);
  return hash.digest("base64url");
}
