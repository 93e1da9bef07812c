/** Requests that come over one stream, each answered on it in its own time. */
import type { Socket } from "node:net";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { monotonicUs } from "../monotonic.ts";
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "./messages.ts";
import type { InferAnswer, InferCall, InferenceHandlers } from "./server.ts";
import { DEADLINE_PARAMETER, LEAN_METADATA, TIMEOUT_PARAMETER } from "./service.ts";
import { Slots } from "./slots.ts";
import { readsAsFastAsItsCaller } from "./slow-reader.ts";
import { statusOf } from "./status.ts";
import { isCancel } from "./stream-cancel.ts";
import { answerOfError } from "./stream-error.ts";
import { ANSWERS, LinkEnd, REQUESTS } from "./worker-link.ts";

/** Between signs of life while a message comes. */
const SIGN_US = 200_000;

/** ModelStreamInfer. */
export function serveStream(
  handlers: InferenceHandlers,
  stream: ServerDuplexStream<ModelInferRequest, ModelStreamInferResponse>,
): void {
  const marksFinal = stream.metadata.get(LEAN_METADATA).length === 0;
  const requests = new StreamedRequests(handlers, {
    answer: (answer) => {
      if (!stream.destroyed) stream.write(marksFinal ? final(answer) : answer);
    },
    end: () => stream.end(),
  });
  stream.on("data", (request: ModelInferRequest) => requests.take(request));
  readsAsFastAsItsCaller(stream);
  stream.on("cancelled", () => requests.cancel());
  stream.on("end", () => requests.noMore());
  // Its end is told by "cancelled".
  stream.on("error", () => undefined);
}

/** A gateway's link (`worker-link.ts`). Returns what ends it once all that was taken is answered. */
export function serveLink(handlers: InferenceHandlers, socket: Socket): () => void {
  const requests = new StreamedRequests(handlers, {
    answer: (answer) => end.send(answer),
    end: () => end.finish(),
  });
  let signUs = 0;
  const end = new LinkEnd(socket, ANSWERS, REQUESTS, {
    received: (request) => requests.take(request),
    beat: () => end.beat(),
    partly: () => {
      // A large message takes a while: its gateway is told that it gets on.
      const nowUs = monotonicUs();
      if (nowUs - signUs < SIGN_US) return;
      signUs = nowUs;
      end.beat();
    },
    ended: () => requests.cancel(),
  });
  return () => requests.noMore();
}

/** Where answers go; `end` is called once nothing can come after them. */
interface AnswerSide {
  answer(answer: ModelStreamInferResponse): void;
  end(): void;
}

class StreamedRequests {
  readonly #handlers: InferenceHandlers;
  readonly #side: AnswerSide;
  readonly #open = new Slots<StreamedCall>();
  #ended = false;

  constructor(handlers: InferenceHandlers, side: AnswerSide) {
    this.#handlers = handlers;
    this.#side = side;
  }

  take(request: ModelInferRequest): void {
    if (isCancel(request)) {
      this.cancel(request.id);
      return;
    }
    const call = new StreamedCall(request);
    const number = this.#open.put(call);
    guarded(this.#handlers, call, (error, value) => {
      this.#open.take(number);
      const inferResponse = value as ModelInferResponse;
      this.#side.answer(error === null ? { inferResponse } : answerOfError(request, error));
      if (this.#ended && this.#open.size === 0) this.#side.end();
    });
  }

  /** Of an id, or all: nobody waits for them. */
  cancel(id?: string): void {
    for (const call of this.#open.all)
      if (id === undefined || call.request.id === id) call.cancel();
  }

  /** A caller that has said all still waits for its answers. */
  noMore(): void {
    this.#ended = true;
    if (this.#open.size === 0) this.#side.end();
  }
}

class StreamedCall implements InferCall {
  readonly request: ModelInferRequest;
  readonly deadlineMs: number | undefined;
  #cancelled: (() => void) | null = null;

  constructor(request: ModelInferRequest) {
    this.request = request;
    this.deadlineMs = deadlineOf(request);
  }

  onCancelled(listener: () => void): void {
    this.#cancelled = listener;
  }

  cancel(): void {
    this.#cancelled?.();
  }
}

/** How long a request's caller waits for it, ms, where it says so. */
export function deadlineOf({ parameters }: ModelInferRequest): number | undefined {
  if (parameters === undefined) return undefined;
  const deadlineMs = numberOf(parameters[DEADLINE_PARAMETER]);
  const timeoutUs = numberOf(parameters[TIMEOUT_PARAMETER]) ?? 0;
  return timeoutUs === 0
    ? deadlineMs
    : Math.min(timeoutUs / 1000, deadlineMs ?? Number.POSITIVE_INFINITY);
}

function numberOf(given: InferParameter | undefined): number | undefined {
  return given?.int64Param ?? given?.uint64Param ?? given?.doubleParam;
}

/** What the handlers throw is the answer. */
export function guarded(handlers: InferenceHandlers, call: InferCall, answer: InferAnswer): void {
  try {
    handlers.infer(call, answer);
  } catch (error) {
    answer(statusOf(error));
  }
}

/** Triton marks a request's last answer; here each has one, an error too. */
function final(answer: ModelStreamInferResponse): ModelStreamInferResponse {
  const { inferResponse } = answer;
  if (inferResponse == null) return answer;
  const parameters = { ...inferResponse.parameters, triton_final_response: { boolParam: true } };
  return { ...answer, inferResponse: { ...inferResponse, parameters } };
}
