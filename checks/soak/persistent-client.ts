/**
 * A client that does not give up: each call has an idempotency key and is tried again, by itself or
 * on a stream, until it is answered or too old. An attempt that was given up is cancelled, and what
 * still comes for it is dropped, as every client does. It counts what must not be: a second answer
 * to one message, and an answer to a call that differs from another to the same call.
 */

import { type ServiceError, status } from "@grpc/grpc-js";
import { payloadRequest } from "../../cluster/load/tensor-inputs.ts";
import type { InferenceClient, InferStreamCall } from "../../cluster/protocol/client.ts";
import {
  controlMessage,
  DEADLINE_PARAMETER,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelStreamInferResponse,
} from "../../cluster/protocol/messages.ts";
import {
  errorOfAnswer,
  PUSHBACK_TRAILER,
  streamEndedError,
  trailerOf,
} from "../../cluster/protocol/status.ts";
import { outputText } from "../../cluster/protocol/tensors.ts";

const STREAMS = 8;
const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 5000;
/**
 * Bound on the retries of all open calls together: waiting calls must not become a load of their own. Of
 * 40,000 calls, each every five seconds, a machine that had been busy for minutes never recovered.
 */
const RETRIES_PER_S = 400;
/** Attempts whose answers are still looked out for after their calls have been answered. */
const REMEMBERED = 20_000;
/** Trying again does not help these. */
const FINAL: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.UNIMPLEMENTED,
  status.FAILED_PRECONDITION,
]);

export interface Called {
  /** The output's text; null when the call was given up. */
  readonly text: string | null;
  /** Why it was given up; "" when it was not. */
  readonly error: string;
  /** It was given up while the gateway refused it. */
  readonly refused: boolean;
  readonly attempts: number;
  readonly latencyMs: number;
}

interface Call {
  readonly key: string;
  readonly payload: Uint8Array;
  readonly startMs: number;
  readonly resolve: (called: Called) => void;
  attempts: number;
  lastError: string;
  refused: boolean;
  done: boolean;
  text: string | null;
}

interface Attempt {
  readonly id: string;
  readonly call: Call;
  /** The stream that carries it; -1: none. */
  readonly lane: number;
  open: boolean;
  /** The answer that came. */
  answers: number;
  /** Tells the other side that nobody waits for it any more. */
  cancel: () => void;
  timer: NodeJS.Timeout | undefined;
}

export interface ClientTimes {
  /** An attempt without an answer for this long is cancelled and tried again. */
  readonly attemptMs: number;
  readonly giveUpMs: number;
}

export class PersistentClient {
  /** Second answers to one message, and different answers to one call. */
  surplus = 0;
  /** Calls without an answer so far. */
  open = 0;
  readonly #client: InferenceClient;
  readonly #pipeline: string;
  readonly #times: ClientTimes;
  readonly #streams: (InferStreamCall | null)[] = new Array<InferStreamCall | null>(STREAMS).fill(
    null,
  );
  readonly #attempts = new Map<string, Attempt>();
  #sent = 0;
  #closed = false;

  constructor(client: InferenceClient, pipeline: string, times: ClientTimes) {
    this.#client = client;
    this.#pipeline = pipeline;
    this.#times = times;
  }

  call(key: string, payload: Uint8Array): Promise<Called> {
    this.open++;
    return new Promise((resolve) => {
      const startMs = performance.now();
      const fresh = { attempts: 0, lastError: "", refused: false, done: false, text: null };
      this.#try({ key, payload, startMs, resolve, ...fresh });
    });
  }

  close(): void {
    this.#closed = true;
    for (const stream of this.#streams) stream?.cancel();
    this.#client.close();
  }

  #try(call: Call): void {
    if (performance.now() - call.startMs > this.#times.giveUpMs || this.#closed) {
      this.#finish(call, null, call.lastError);
      return;
    }
    call.attempts++;
    const number = this.#sent++;
    const id = String(number);
    const lane = number % 3 === 0 ? -1 : number % STREAMS;
    const cancel = (): void => undefined;
    const attempt: Attempt = { id, call, lane, open: true, answers: 0, cancel, timer: undefined };
    this.#attempts.set(id, attempt);
    if (this.#attempts.size > REMEMBERED) this.#attempts.delete(this.#oldest());
    attempt.timer = setTimeout(() => {
      attempt.cancel();
      attempt.call.refused = false;
      this.#failed(attempt, "no answer in time", 0);
    }, this.#times.attemptMs);
    const request = this.#request(call, id);
    if (lane < 0) this.#sendAlone(attempt, request);
    else this.#sendOnStream(attempt, request);
  }

  #request({ key, payload }: Call, id: string): ModelInferRequest {
    const parameters = {
      idempotency_key: { stringParam: key },
      [DEADLINE_PARAMETER]: { int64Param: this.#times.attemptMs },
    };
    return { modelName: this.#pipeline, id, parameters, ...payloadRequest(payload) };
  }

  #sendAlone(attempt: Attempt, request: ModelInferRequest): void {
    const deadline = Date.now() + this.#times.attemptMs;
    const sent = this.#client.infer(request, { deadline }, (error, response) => {
      if (error === null) this.#result(attempt, response as ModelInferResponse);
      else this.#refused(attempt, error);
    });
    attempt.cancel = () => sent.cancel();
  }

  #sendOnStream(attempt: Attempt, request: ModelInferRequest): void {
    const { lane } = attempt;
    const stream = this.#streams[lane] ?? this.#openStream(lane);
    attempt.cancel = () => void stream.write(controlMessage("cancel", this.#pipeline, attempt.id));
    stream.write(request);
  }

  #openStream(lane: number): InferStreamCall {
    const stream = this.#client.inferStream();
    this.#streams[lane] = stream;
    const lost = (error: ServiceError): void => {
      if (this.#streams[lane] !== stream) return;
      this.#streams[lane] = null;
      for (const attempt of [...this.#attempts.values()]) {
        if (attempt.lane === lane) this.#refused(attempt, error);
      }
    };
    stream.on("data", (message: ModelStreamInferResponse) => {
      const attempt = this.#attempts.get(message.inferResponse?.id ?? "");
      if (attempt === undefined) return;
      const error = errorOfAnswer(message);
      if (error === null) this.#result(attempt, message.inferResponse as ModelInferResponse);
      else this.#refused(attempt, error);
    });
    stream.on("error", lost);
    stream.on("end", () => lost(streamEndedError()));
    return stream;
  }

  #result(attempt: Attempt, response: ModelInferResponse): void {
    const { call } = attempt;
    const text = outputText(response);
    if (++attempt.answers > 1 || (call.text !== null && call.text !== text)) this.surplus++;
    call.text ??= text;
    if (!attempt.open || call.done) return;
    this.#close(attempt);
    this.#finish(call, text, "");
  }

  #refused(attempt: Attempt, error: ServiceError): void {
    if (!attempt.open) return;
    const { code, message } = error;
    attempt.call.refused = code === status.RESOURCE_EXHAUSTED;
    if (FINAL.has(code)) {
      this.#close(attempt);
      this.#finish(attempt.call, null, message);
      return;
    }
    this.#failed(attempt, message, Number(trailerOf(error, PUSHBACK_TRAILER) ?? 0));
  }

  #failed(attempt: Attempt, message: string, pushbackMs: number): void {
    if (!attempt.open) return;
    this.#close(attempt);
    const { call } = attempt;
    call.lastError = message;
    const grown = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (call.attempts - 1));
    const shareMs = (1000 * this.open) / RETRIES_PER_S;
    const pauseMs = Math.max(pushbackMs, grown, shareMs) * (0.5 + Math.random());
    const patienceMs = call.startMs + this.#times.giveUpMs - performance.now();
    setTimeout(() => this.#try(call), Math.min(pauseMs, Math.max(0, patienceMs)));
  }

  #close(attempt: Attempt): void {
    attempt.open = false;
    clearTimeout(attempt.timer);
  }

  #finish(call: Call, text: string | null, error: string): void {
    call.done = true;
    this.open--;
    const latencyMs = performance.now() - call.startMs;
    const { refused, attempts } = call;
    call.resolve({ text, error, refused, attempts, latencyMs });
  }

  #oldest(): string {
    return this.#attempts.keys().next().value as string;
  }
}
