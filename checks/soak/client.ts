/** A pipeline whose answers say what was sent, and a client that calls it until it has the answer. */

import { setTimeout as sleep } from "node:timers/promises";
import { type ServiceError, status } from "@grpc/grpc-js";
import { payloadRequest } from "../../cluster/load/tensor-inputs.ts";
import type { Answer, InferenceClient, InferStreamCall } from "../../cluster/protocol/client.ts";
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
import { fingerprintOf } from "../../models/registry.ts";
import { type ScenarioDocument, scenarioSchema } from "../../scenario/schema/scenario.ts";

export const PIPELINE = "twice";

interface FingerprintOptions {
  /** Replicas of the first task and of the second. */
  readonly replicas: readonly [number, number];
  readonly holdMs: number;
  readonly scheduler?: unknown;
  /** A language model with replayed times comes last. */
  readonly writes?: boolean;
}

/** A sequence takes some 10 ms; four run at once, and may preempt each other. */
const WRITER = {
  steps: { prefill: [1, 0.05, 0], decode: [1, 0, 0.2] },
  maxSequences: 4,
  maxBatchedTokens: 64,
  blocks: 10,
};
const LENGTHS = {
  prompt: { distribution: "lognormal", mean: 20, cv: 1 },
  output: { distribution: "lognormal", mean: 5, cv: 1 },
  most: 120,
};

/** Two tasks that print what they get; see `models/fingerprint.ts`. */
export function fingerprintScenario(options: FingerprintOptions): ScenarioDocument {
  const { replicas, holdMs, scheduler, writes = false } = options;
  const write = { model: "writer", after: ["second"], tokens: LENGTHS };
  return scenarioSchema.parse({
    name: "fingerprints",
    pipelines: {
      [PIPELINE]: {
        tasks: {
          first: { model: "print" },
          second: { model: "print", after: ["first"] },
          ...(writes ? { write } : {}),
        },
      },
    },
    models: {
      print: {
        service: { distribution: "deterministic", meanMs: Math.max(1, holdMs) },
        implementation: { name: "fingerprint", parameters: { holdMs } },
      },
      ...(writes ? { writer: { tokens: WRITER } } : {}),
    },
    cluster: {
      replicas: { first: replicas[0], second: replicas[1], ...(writes ? { write: 2 } : {}) },
    },
    workload: { arrivals: "burst", requests: 1 },
    ...(scheduler === undefined ? {} : { scheduler }),
  });
}

/** Whether an answer's text is the one for what was sent, with the outputs of so many tasks. */
export function isAnswerTo(payload: Uint8Array, text: string, tasks = 2): boolean {
  const first = fingerprintOf({ payload, upstream: {} });
  const second = fingerprintOf({ payload, upstream: { first: { labels: [], value: first } } });
  try {
    const { outputs } = JSON.parse(text) as { outputs: Record<string, { value: unknown }> };
    const isWhole = Object.keys(outputs).length === tasks;
    return isWhole && outputs.first.value === first && outputs.second.value === second;
  } catch {
    return false;
  }
}

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

interface Outcome {
  /** The output's text; null when there is none. */
  readonly text: string | null;
  /** Why there is none; "" where there is one. */
  readonly error: string;
  readonly code: number;
  readonly pushbackMs: number;
}

interface Called extends Pick<Outcome, "text" | "error"> {
  /** It was given up while the gateway refused it. */
  readonly refused: boolean;
  readonly attempts: number;
}

const TOO_LATE: Outcome = {
  text: null,
  error: "no answer in time",
  code: status.DEADLINE_EXCEEDED,
  pushbackMs: 0,
};

interface StreamedAttempt {
  readonly lane: number;
  readonly answer: Answer<ModelInferResponse>;
}

interface ClientTimes {
  /** An attempt without an answer for this long is cancelled and tried again. */
  readonly attemptMs: number;
  readonly giveUpMs: number;
}

/**
 * A client that does not give up: each call has an idempotency key and is tried again, by itself or
 * on a stream, until it is answered or too old. A late attempt is cancelled. It counts what must not
 * be: a second answer to one message, and an answer to a call that differs from another to the same call.
 */
export class PersistentClient {
  /** Second answers to one message, and different answers to one call. */
  surplus = 0;
  readonly #client: InferenceClient;
  readonly #pipeline: string;
  readonly #times: ClientTimes;
  readonly #streams = new Map<number, InferStreamCall>();
  /** By the message's id. */
  readonly #streamed = new Map<string, StreamedAttempt>();
  #open = 0;
  #sent = 0;
  #closed = false;

  constructor(client: InferenceClient, pipeline: string, times: ClientTimes) {
    this.#client = client;
    this.#pipeline = pipeline;
    this.#times = times;
  }

  async call(key: string, payload: Uint8Array): Promise<Called> {
    const giveUpAt = performance.now() + this.#times.giveUpMs;
    const texts = new Set<string>();
    this.#open++;
    for (let attempts = 1; ; attempts++) {
      const { text, error, code, pushbackMs } = await this.#attempt(key, payload, texts);
      const leftMs = giveUpAt - performance.now();
      if (text !== null || FINAL.has(code) || leftMs < 0 || this.#closed) {
        this.#open--;
        return { text, error, refused: code === status.RESOURCE_EXHAUSTED, attempts };
      }
      const grown = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
      const shareMs = (1000 * this.#open) / RETRIES_PER_S;
      const pauseMs = Math.max(pushbackMs, grown, shareMs) * (0.5 + Math.random());
      await sleep(Math.min(pauseMs, leftMs));
    }
  }

  close(): void {
    this.#closed = true;
    for (const stream of this.#streams.values()) stream.cancel();
    this.#client.close();
  }

  /** `texts` has the answers to the call so far. */
  #attempt(key: string, payload: Uint8Array, texts: Set<string>): Promise<Outcome> {
    const number = this.#sent++;
    const { attemptMs } = this.#times;
    const request: ModelInferRequest = {
      modelName: this.#pipeline,
      id: String(number),
      ...payloadRequest(payload),
      parameters: {
        idempotency_key: { stringParam: key },
        [DEADLINE_PARAMETER]: { int64Param: attemptMs },
      },
    };
    return new Promise((resolve) => {
      let answers = 0;
      const send = number % 3 === 0 ? this.#sendAlone : this.#sendOnStream;
      const cancel = send.call(this, request, number % STREAMS, (error, response) => {
        clearTimeout(timer);
        if (error !== null) {
          resolve(failed(error));
          return;
        }
        const text = outputText(response as ModelInferResponse);
        texts.add(text);
        answers++;
        if (answers > 1 || texts.size > 1) this.surplus++;
        resolve({ text, error: "", code: status.OK, pushbackMs: 0 });
      });
      const timer = setTimeout(() => {
        resolve(TOO_LATE);
        cancel();
      }, attemptMs);
    });
  }

  #sendAlone(request: ModelInferRequest, _: number, answer: Answer<ModelInferResponse>) {
    const deadline = Date.now() + this.#times.attemptMs;
    const sent = this.#client.infer(request, { deadline }, answer);
    return () => sent.cancel();
  }

  #sendOnStream(request: ModelInferRequest, lane: number, answer: Answer<ModelInferResponse>) {
    const { modelName, id = "" } = request;
    this.#streamed.set(id, { lane, answer });
    const [oldest] = this.#streamed.keys();
    if (this.#streamed.size > REMEMBERED) this.#streamed.delete(oldest);
    const stream = this.#streams.get(lane) ?? this.#openStream(lane);
    stream.write(request);
    return () => void stream.write(controlMessage("cancel", modelName, id));
  }

  #openStream(lane: number): InferStreamCall {
    const stream = this.#client.inferStream();
    this.#streams.set(lane, stream);
    const lost = (error: ServiceError): void => {
      if (this.#streams.get(lane) !== stream) return;
      this.#streams.delete(lane);
      for (const one of [...this.#streamed.values()]) if (one.lane === lane) one.answer(error);
    };
    stream.on("data", (message: ModelStreamInferResponse) => {
      const answer = this.#streamed.get(message.inferResponse?.id ?? "")?.answer;
      const error = errorOfAnswer(message);
      if (error === null) answer?.(null, message.inferResponse as ModelInferResponse);
      else answer?.(error);
    });
    stream.on("error", lost);
    stream.on("end", () => lost(streamEndedError()));
    return stream;
  }
}

function failed(error: ServiceError): Outcome {
  const pushbackMs = Number(trailerOf(error, PUSHBACK_TRAILER) ?? 0);
  return { text: null, error: error.message, code: error.code, pushbackMs };
}
