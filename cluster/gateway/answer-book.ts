/**
 * Answers by idempotency key. A key's first request runs; requests that come with it meanwhile wait
 * for the same answer, later ones get it from the journal, also after a restart of the gateway. Only
 * answers are kept: a request that failed may be tried again with its key.
 *
 * Every answered key is known for as long as a client may try again. Its answer may be gone before, as
 * the journal is bounded: then the request is refused, never done again. When there is no room to
 * know another key, new keys are refused.
 */
import { createHash } from "node:crypto";
import { Fault } from "../../core/fault.ts";
import type { AnswerJournal, KeptAnswer } from "./answer-journal.ts";
import { AnsweredKeys, type KeyHash, type Place } from "./answered-keys.ts";
import { type Answer, detachedRequest, type Ticket } from "./live-request.ts";
import type { Submission } from "./run-options.ts";
import type { KeyBounds } from "./service-bounds.ts";

const MAX_KEY_LENGTH = 255;
const LEAST_RETRY_MS = 100;
/** Of an answer that no journal took. */
const NOWHERE: Place = { at: -1, bytes: 0 };

/** A key whose request runs. */
interface Running {
  readonly fingerprint: string;
  readonly waiting: Set<Submission>;
  ticket: Ticket | null;
  ended: boolean;
}

export class AnswerBook {
  readonly #bounds: KeyBounds;
  readonly #journal: AnswerJournal;
  readonly #running = new Map<string, Running>();
  readonly #answered = new AnsweredKeys();

  constructor(bounds: KeyBounds, journal: AnswerJournal) {
    this.#bounds = bounds;
    this.#journal = journal;
    const oldestMs = Date.now() - bounds.keepMs;
    journal.load((hash, answered) => {
      if (answered.atMs > oldestMs) this.#answered.add(hash, answered);
    });
  }

  /** Keys that are known to have been answered. */
  get size(): number {
    return this.#answered.size;
  }

  /**
   * `run` starts the request of a key that has neither an answer nor a request under way. Throws a
   * Fault for a key that is malformed, was used for another request, has an answer that is gone or
   * finds no room, and what `run` throws.
   */
  submit(key: string, submission: Submission, run: (submission: Submission) => Ticket): Ticket {
    if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
      throw new Fault("invalid-input", `an idempotency key has 1 to ${MAX_KEY_LENGTH} characters`);
    }
    const fingerprint = fingerprintOf(submission);
    const running = this.#running.get(key);
    const kept = running === undefined ? this.#keptAnswer(key) : null;
    const known = (kept ?? running)?.fingerprint ?? fingerprint;
    if (known !== fingerprint) {
      throw new Fault("invalid-input", "this idempotency key was used for another request", {
        hint: "use a new key for each request, and the same only to try the same request again",
      });
    }
    if (kept !== null) return answerAgain(submission, kept);
    return this.#wait(key, running ?? this.#start(key, fingerprint, submission, run), submission);
  }

  close(): void {
    this.#journal.close();
  }

  /** Null for a key that has no answer. Throws Fault("answer-gone") where it has one no more. */
  #keptAnswer(key: string): KeptAnswer | null {
    this.#dropOld();
    const answered = this.#answered.find(hashOf(key));
    if (answered === null) return null;
    const kept = this.#journal.read(answered);
    if (kept === null) {
      throw new Fault("answer-gone", "this key's request was answered, its answer is not kept", {
        hint: "use a new key to have it done again",
      });
    }
    // Two keys may have one hash.
    return kept.key === key ? kept : null;
  }

  #start(
    key: string,
    fingerprint: string,
    submission: Submission,
    run: (submission: Submission) => Ticket,
  ): Running {
    this.#checkRoom();
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

  /** Whoever runs now will be answered. */
  #checkRoom(): void {
    const { maxKeys, keepMs } = this.#bounds;
    const known = this.#answered.size + this.#running.size;
    if (known < maxKeys) return;
    // One more, as a timer may be that much early.
    const forgottenMs = this.#answered.oldestMs + keepMs - Date.now() + 1;
    const retryAfterMs = Math.max(LEAST_RETRY_MS, Math.min(keepMs, forgottenMs));
    throw new Fault("overloaded", `refused: all ${known} keys that find room are remembered`, {
      hint: `try again in ${Math.ceil(retryAfterMs)} ms, or without a key`,
      retryAfterMs,
    });
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
    const { index, pipeline, arrivedUs, results } = request;
    const answer = { key, fingerprint, index, pipeline, arrivedUs, endedUs, results };
    const hash = hashOf(key);
    const atMs = Date.now();
    const place = this.#journal.append(hash, atMs, answer) ?? NOWHERE;
    this.#answered.add(hash, { ...place, atMs });
  }

  #dropOld(): void {
    const oldestMs = Date.now() - this.#bounds.keepMs;
    while (this.#answered.oldestMs <= oldestMs) this.#answered.dropOldest();
  }
}

/** Told after this turn, as every answer is. */
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

function hashOf(key: string): KeyHash {
  const digest = createHash("sha256").update(key).digest();
  return { high: digest.readUInt32LE(0), low: digest.readUInt32LE(4) };
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
