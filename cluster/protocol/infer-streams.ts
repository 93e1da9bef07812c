/**
 * Requests to one server over a few streams: a third of the cost of a call each. A stream sends a
 * message at a time, one per turn of the event loop; what several streams send in a turn leaves in
 * one write. So requests take turns on them.
 */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { Answer, InferenceClient, InferStream } from "./client.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "./messages.ts";
import { Slots } from "./slots.ts";
import { cancelMessage } from "./stream-cancel.ts";
import { errorOfAnswer } from "./stream-error.ts";

const STREAMS = 16;

export class InferStreams {
  readonly #client: InferenceClient;
  readonly #lanes: (Lane | null)[];
  #sent = 0;

  constructor(client: InferenceClient, streams = STREAMS) {
    this.#client = client;
    this.#lanes = new Array<Lane | null>(streams).fill(null);
  }

  /**
   * Answers exactly once, with an error when the stream fails. The request's id is replaced. Returns
   * what gives the request up.
   */
  infer(request: ModelInferRequest, answer: Answer<ModelInferResponse>): () => void {
    const at = this.#sent++ % this.#lanes.length;
    const lane = this.#lanes[at] ?? this.#open(at);
    return lane.send(request, answer);
  }

  /** What has no answer yet is answered with an error. */
  close(): void {
    for (const lane of this.#lanes) lane?.close();
  }

  #open(at: number): Lane {
    const lane = new Lane(this.#client.inferStream(), () => {
      if (this.#lanes[at] === lane) this.#lanes[at] = null;
    });
    this.#lanes[at] = lane;
    return lane;
  }
}

/** One stream and the requests that wait for their answers on it. */
class Lane {
  readonly #stream: InferStream;
  #waiting = new Slots<Answer<ModelInferResponse>>();

  constructor(stream: InferStream, ended: () => void) {
    this.#stream = stream;
    const end = (error: ServiceError): void => {
      ended();
      const { all } = this.#waiting;
      this.#waiting = new Slots();
      for (const answer of all) answer(error);
    };
    stream.on("data", (message: ModelStreamInferResponse) => this.#answered(message));
    stream.on("error", (error: ServiceError) => end(error));
    stream.on("end", () => end(endedEarly()));
  }

  /** Returns what gives the request up. */
  send(request: ModelInferRequest, answer: Answer<ModelInferResponse>): () => void {
    const number = this.#waiting.put(answer);
    const id = String(number);
    const { modelName, modelVersion, parameters, inputs, outputs, rawInputContents } = request;
    this.#stream.write({
      modelName,
      modelVersion,
      id,
      parameters,
      inputs,
      outputs,
      rawInputContents,
    });
    return () => {
      if (this.#waiting.get(number) === answer) {
        this.#stream.write(cancelMessage(request.modelName, id));
      }
    };
  }

  close(): void {
    this.#stream.cancel();
  }

  #answered(message: ModelStreamInferResponse): void {
    const answer = this.#waiting.take(Number(message.inferResponse?.id));
    if (answer === null) return;
    const error = errorOfAnswer(message);
    if (error === null) answer(null, message.inferResponse as ModelInferResponse);
    else answer(error);
  }
}

function endedEarly(): ServiceError {
  const details = "the server ended the stream";
  const fields = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
  return Object.assign(new Error(details), fields);
}
