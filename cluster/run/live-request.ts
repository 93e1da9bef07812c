/** A request on its way through the gateway: submitted, taken, answered. */

import { createHash } from "node:crypto";
import { Fault } from "../../engine/basics/fault.ts";
import type { Outcome } from "../../engine/dispatch/driver.ts";
import { type AnswerSummary, PLAIN_ANSWERS } from "../../engine/dispatch/request-table.ts";
import type { Written } from "../../engine/metrics/token-tally.ts";
import type { Tensor } from "../../models/tensor.ts";
import type { RunningRequest } from "../observe/run-sink.ts";
import type { CallContext, WrittenPart } from "../protocol/messages.ts";
import type { Clock } from "../time/clock.ts";

/** A request before the gateway takes it. */
export interface Submission {
  /** The system's number of the pipeline. */
  readonly pipeline: number;
  readonly payload: Uint8Array;
  /** Tensors in place of a payload; default none. */
  readonly tensors?: readonly Tensor[] | undefined;
  readonly index: number | null;
  /** When the client meant to send it, scenario µs since the run's start; null: now. */
  readonly intendedUs: number | null;
  /** In place of its pipeline's; a whole number, the greatest first. */
  readonly priority?: number | undefined;
  /** The preset that routes it, where the deployment routes on arrival. */
  readonly scheduler?: string | undefined;
  /** How long the client waits from now, wall-clock ms; absent: until it goes away. */
  readonly deadlineMs?: number | undefined;
  /** Requests with the same key, pipeline and payload share one run and one answer. */
  readonly idempotencyKey?: string | undefined;
  readonly context?: CallContext | undefined;
  readonly answer: (answer: Answer) => void;
  /** The most tokens that a language model writes for it. */
  readonly maxTokens?: number | undefined;
  /** Gets the tokens of language models as they come; the answer has the whole text. */
  readonly told?: ((part: WrittenPart) => void) | undefined;
}

/** The run of one task of a request; times in µs of the scenario since the run's start. */
export interface TaskTiming {
  readonly queuedUs: number;
  readonly startUs: number;
  readonly endUs: number;
  /** Measured by the worker, wall-clock µs. */
  readonly serviceUs: number;
  readonly replica: string;
  readonly batch: number;
}

/** A task's answer: its JSON text as the worker gave it, and the labels in it. */
export interface TaskResult {
  readonly text: string;
  /** The model's outputs, where it answers with tensors. */
  readonly tensors: readonly Tensor[];
  readonly labels: readonly string[];
  /** It stands in place of a straggler's: no replica gave it. */
  readonly imputed?: true;
  readonly timing: TaskTiming;
}

export interface Answer {
  readonly outcome: Outcome;
  readonly error: Fault | null;
  readonly request: LiveRequest;
  readonly endedUs: number;
}

const NO_CONTEXT: CallContext = {};
const NO_TENSORS: readonly Tensor[] = [];

type Contents = Pick<Submission, "payload" | "tensors">;

/** Bytes of a request's contents in the gateway's memory. */
export function heldBytesOf({ payload, tensors = NO_TENSORS }: Contents): number {
  return tensors.reduce((sum, { raw }) => sum + raw.length, payload.length);
}

/** SHA-256 over a request's contents, and over `more`, which is JSON. */
export function contentsHash(
  { payload, tensors = NO_TENSORS }: Contents,
  ...more: readonly unknown[]
): string {
  const heads = tensors.map((each) => [each.name, each.datatype, each.shape, each.raw.length]);
  const hash = createHash("sha256");
  hash.update(`${JSON.stringify([...more, payload.length, heads])}\n`).update(payload);
  for (const { raw } of tensors) hash.update(raw);
  return hash.digest("base64url");
}

/** Copies tensors, which are views of their message, so that the message can be freed. */
export function ownResult(result: TaskResult): TaskResult {
  const tensors = result.tensors.map((tensor) => ({ ...tensor, raw: new Uint8Array(tensor.raw) }));
  return { ...result, tensors };
}

/** The timing of an answer that no replica gave for its request. */
export function unservedAt(atUs: number): TaskTiming {
  return { queuedUs: atUs, startUs: atUs, endUs: atUs, serviceUs: 0, replica: "", batch: 0 };
}

/** A request that the gateway has taken and not answered yet. */
export interface LiveRequest extends RunningRequest {
  /** Slot in the dispatcher's request table. */
  readonly slot: number;
  /** Time from its arrival to its deadline; Infinity where its pipeline draws none. */
  readonly goalUs: number;
  /** By the clock, when the gateway took it. */
  readonly takenAtUs: number;
  /** By the clock, when its client stops waiting; Infinity: never by itself. */
  readonly expiresAtUs: number;
  readonly payload: Uint8Array;
  /** Tensors of the caller, in place of a payload. */
  readonly tensors: readonly Tensor[];
  serial: number;
  accuracy: number;
  made: AnswerSummary;
  /** By task, and then by ensemble; null where nothing ran (yet). */
  readonly results: (TaskResult | null)[];
  error: Fault | null;
  written: Written | null;
  readonly answer: (answer: Answer) => void;
  readonly told: ((part: WrittenPart) => void) | undefined;
  readonly maxTokens: number | undefined;
}

/** How long the most patient client of a batch waits from now, ms; Infinity: without a deadline. */
export function longestWaitMs(requests: readonly LiveRequest[], nowUs: number): number {
  const untilUs = Math.max(0, ...requests.map(({ expiresAtUs }) => expiresAtUs));
  return (untilUs - nowUs) / 1000;
}

/** The fields that a run adds to a request. */
type Taking = Pick<
  LiveRequest,
  "slot" | "arrivedUs" | "goalUs" | "takenAtUs" | "takenUs" | "answer"
> & {
  /** Tasks and ensembles of its pipeline. */
  readonly results: number;
};

/** A request that a run takes. Field by field: spreading these objects takes V8 forty times as long. */
export function liveRequest(
  submission: Submission,
  { slot, arrivedUs, goalUs, takenAtUs, takenUs, answer, results }: Taking,
): LiveRequest {
  const { pipeline, index, payload, tensors = NO_TENSORS, context = NO_CONTEXT } = submission;
  const { told, maxTokens } = submission;
  const { deadlineMs = Number.POSITIVE_INFINITY } = submission;
  return {
    slot,
    pipeline,
    index,
    payload,
    tensors,
    context,
    bytes: heldBytesOf(submission),
    arrivedUs,
    goalUs,
    takenAtUs,
    takenUs,
    expiresAtUs: takenAtUs + deadlineMs * 1000,
    answer,
    told,
    maxTokens,
    traceparent: null,
    serial: -1,
    accuracy: 1,
    made: PLAIN_ANSWERS,
    results: new Array<null>(results).fill(null),
    error: null,
    written: null,
  };
}

/** A request that gets an answer without a run. */
export function detachedRequest(submission: Submission, nowUs: number): LiveRequest {
  return liveRequest(submission, {
    slot: -1,
    arrivedUs: 0,
    goalUs: Number.POSITIVE_INFINITY,
    takenAtUs: nowUs,
    takenUs: 0,
    answer: submission.answer,
    results: 0,
  });
}

/** Timers of the event loop cannot count longer waits, so such a deadline is none. */
const LONGEST_MS = 2 ** 31 - 1;

/** A submission until its answer, or until its client waits no longer. */
export class Caller {
  readonly #submission: Submission;
  #leave: () => void = () => undefined;
  readonly #clock: Clock;
  #stop: () => void = () => undefined;
  #open = true;

  constructor(submission: Submission, clock: Clock) {
    this.#submission = submission;
    this.#clock = clock;
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
      this.#stop = this.#clock.after(deadlineMs, () => this.#expire(deadlineMs));
    }
    return this;
  }

  /** Ends the wait; does nothing after the answer. The run may still answer, within this call. */
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
      error: new Fault("deadline-exceeded", message),
      request: detachedRequest(this.#submission, this.#clock.nowUs()),
      endedUs: 0,
    });
  }

  /** False when it was closed already. */
  #close(): boolean {
    const wasOpen = this.#open;
    this.#open = false;
    this.#stop();
    return wasOpen;
  }
}
