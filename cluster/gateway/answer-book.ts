/**
 * Answers by idempotency key. A key's first request runs; requests that come with it meanwhile wait
 * for the same answer, later ones get it from here, or from the journal after a restart of the
 * gateway. Only answers are kept: a request that failed may be tried again with its key. What is
 * kept is bounded in number, bytes and time, the oldest goes first.
 */
import { createHash } from "node:crypto";
import { Fault } from "../../core/fault.ts";
import { type AnswerJournal, answerIn, lineOf } from "./answer-journal.ts";
import { type Answer, detachedRequest, type Ticket } from "./live-request.ts";
import type { Submission } from "./run-options.ts";
import type { KeyBounds } from "./service-bounds.ts";

const MAX_KEY_LENGTH = 255;
/** What an entry takes besides its texts. */
const ENTRY_BYTES = 300;

/** A key whose request runs. */
interface Running {
  readonly fingerprint: string;
  readonly waiting: Set<Submission>;
  ticket: Ticket | null;
  ended: boolean;
}

interface Kept {
  readonly fingerprint: string;
  readonly atMs: number;
  /** The answer, as the journal has it. */
  readonly line: string;
}

export class AnswerBook {
  readonly #bounds: KeyBounds;
  readonly #journal: AnswerJournal | null;
  readonly #running = new Map<string, Running>();
  /** In order of their ends. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(bounds: KeyBounds, journal: AnswerJournal | null) {
    this.#bounds = bounds;
    this.#journal = journal;
    for (const { answer, line } of journal?.load() ?? []) {
      this.#keep(answer.key, { fingerprint: answer.fingerprint, atMs: answer.atMs, line });
    }
    this.#trim();
  }

  /** Answers kept, and their bytes. */
  get size(): { readonly answers: number; readonly bytes: number } {
    return { answers: this.#kept.size, bytes: this.#bytes };
  }

  /**
   * `run` starts the request of a key that has neither an answer nor a request under way. Throws a
   * Fault for a key that is malformed, or was used for another request, and what `run` throws.
   */
  submit(key: string, submission: Submission, run: (submission: Submission) => Ticket): Ticket {
    if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
      throw new Fault("invalid-input", `an idempotency key has 1 to ${MAX_KEY_LENGTH} characters`);
    }
    const fingerprint = fingerprintOf(submission);
    this.#trim();
    const kept = this.#kept.get(key);
    const running = this.#running.get(key);
    const known = (kept ?? running)?.fingerprint ?? fingerprint;
    if (known !== fingerprint) {
      throw new Fault("invalid-input", "this idempotency key was used for another request", {
        hint: "use a new key for each request, and the same only to try the same request again",
      });
    }
    if (kept !== undefined) return answerAgain(submission, kept);
    return this.#wait(key, running ?? this.#start(key, fingerprint, submission, run), submission);
  }

  close(): void {
    this.#journal?.close();
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
      running.ticket = run({ ...shared, answer: (given) => this.#answered(key, running, given) });
    } catch (error) {
      this.#running.delete(key);
      throw error;
    }
    return running;
  }

  #answered(key: string, running: Running, given: Answer): void {
    running.ended = true;
    if (this.#running.get(key) === running) this.#running.delete(key);
    if (given.outcome === "completed") {
      const { fingerprint } = running;
      const { index, pipeline, arrivedUs, results } = given.request;
      const { endedUs } = given;
      const atMs = Date.now();
      const answer = { key, fingerprint, atMs, index, pipeline, arrivedUs, endedUs, results };
      const line = lineOf(answer);
      this.#keep(key, { fingerprint, atMs, line });
      this.#journal?.append(line);
      this.#trim();
    }
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

  #keep(key: string, kept: Kept): void {
    this.#forget(key);
    this.#kept.set(key, kept);
    this.#bytes += bytesOf(key, kept);
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#bytes -= bytesOf(key, kept);
    this.#kept.delete(key);
  }

  #trim(): void {
    const { maxAnswers, maxBytes, keepMs } = this.#bounds;
    const oldestMs = Date.now() - keepMs;
    for (const [key, { atMs }] of this.#kept) {
      const over = this.#kept.size > maxAnswers || this.#bytes > maxBytes;
      if (!over && atMs >= oldestMs) return;
      this.#forget(key);
    }
  }
}

/** Told after this turn, as every answer is. */
function answerAgain(submission: Submission, kept: Kept): Ticket {
  let waits = true;
  setImmediate(() => {
    if (!waits) return;
    const { index, arrivedUs, endedUs, results } = answerIn(kept.line);
    const request = { ...detachedRequest(submission), index, arrivedUs, results: [...results] };
    submission.answer({ outcome: "completed", error: null, endedUs, request });
  });
  return {
    cancel: () => {
      waits = false;
    },
  };
}

function bytesOf(key: string, { line }: Kept): number {
  return ENTRY_BYTES + key.length + Buffer.byteLength(line);
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
