/** Requests that come over one stream, each answered on it in its own time. */
import { Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "./messages.ts";
import type { InferAnswer, InferCall, InferenceHandlers } from "./server.ts";
import { DEADLINE_PARAMETER, TIMEOUT_PARAMETER } from "./service.ts";
import { readsAsFastAsItsCaller } from "./slow-reader.ts";
import { statusOf } from "./status.ts";
import { isCancel } from "./stream-cancel.ts";
import { answerOfError } from "./stream-error.ts";

type InferServerStream = ServerDuplexStream<ModelInferRequest, ModelStreamInferResponse>;

/** ModelStreamInfer. */
export function serveStream(handlers: InferenceHandlers, stream: InferServerStream): void {
  const requests = new StreamedRequests(handlers, stream);
  // At once: a gateway sends batches as soon as its worker has accepted the stream.
  stream.sendMetadata(new Metadata());
  stream.on("data", (request: ModelInferRequest) => requests.take(request));
  readsAsFastAsItsCaller(stream);
  stream.on("cancelled", () => requests.cancel());
  stream.on("end", () => requests.noMore());
  // "cancelled" tells its end.
  stream.on("error", () => undefined);
}

class StreamedRequests {
  readonly #handlers: InferenceHandlers;
  readonly #stream: InferServerStream;
  readonly #open = new Set<StreamedCall>();
  #ended = false;

  constructor(handlers: InferenceHandlers, stream: InferServerStream) {
    this.#handlers = handlers;
    this.#stream = stream;
  }

  take(request: ModelInferRequest): void {
    if (isCancel(request)) {
      this.cancel(request.id);
      return;
    }
    const call = new StreamedCall(request);
    this.#open.add(call);
    guarded(this.#handlers, call, (error, value) => {
      this.#open.delete(call);
      const inferResponse = value as ModelInferResponse;
      const answer = error === null ? { inferResponse } : answerOfError(request, error);
      if (!this.#stream.destroyed) this.#stream.write(final(answer));
      if (this.#ended && this.#open.size === 0) this.#stream.end();
    });
  }

  /** Of an id, or all: nobody waits for them. */
  cancel(id?: string): void {
    for (const call of this.#open) if (id === undefined || call.request.id === id) call.cancel();
  }

  /** A caller that has said all still waits for its answers. */
  noMore(): void {
    this.#ended = true;
    if (this.#open.size === 0) this.#stream.end();
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
