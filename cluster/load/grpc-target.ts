/** A server of the Open Inference Protocol over gRPC, by calls or on one stream. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { OUTCOMES, type Outcome } from "../../core/dispatch/driver.ts";
import { InferenceClient, InferStream } from "../protocol/client.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  Parameters,
  RequestContents,
} from "../protocol/messages.ts";
import { OUTCOME_TRAILER, trailerOf } from "../protocol/status.ts";
import type {
  LoadAnswer,
  LoadCall,
  LoadSpecification,
  LoadTarget,
  TargetSpecification,
} from "./specification.ts";

type GrpcSpecification = Extract<TargetSpecification, { kind: "grpc" }>;

export class GrpcTarget implements LoadTarget {
  readonly #client: InferenceClient;
  readonly #streamed: boolean;
  #stream: InferStream | null = null;
  readonly #requests: readonly (readonly RequestContents[])[];
  readonly #models: readonly string[];
  readonly #numbered: boolean;

  constructor(target: GrpcSpecification, { pipelines, numbered }: LoadSpecification) {
    this.#client = new InferenceClient(target.address, target.access);
    this.#streamed = target.streamed === true;
    this.#models = pipelines.map(({ name }) => name);
    this.#requests = target.requests;
    this.#numbered = numbered;
  }

  async connect(): Promise<void> {
    await this.#client.ask("ServerLive", {});
  }

  send({ request, pipeline, intendedUs }: LoadCall, answer: (answer: LoadAnswer) => void) {
    const requests = this.#requests[pipeline];
    const message: ModelInferRequest = {
      modelName: this.#models[pipeline],
      ...(this.#numbered ? { parameters: numbers(request, intendedUs) } : {}),
      ...requests[request % requests.length],
    };
    const answered = (error: ServiceError | null, response?: ModelInferResponse): void =>
      answer(error === null ? completed(response) : failed(error));
    if (!this.#streamed) {
      const call = this.#client.infer(message, {}, answered);
      return () => call.cancel();
    }
    this.#stream ??= new InferStream(this.#client, {
      ended: () => {
        this.#stream = null;
      },
    });
    const stream = this.#stream;
    const id = stream.send({ ...message, id: "" }, answered);
    return () => stream.cancel(message.modelName, id);
  }

  async close(): Promise<void> {
    this.#stream?.close();
    this.#client.close();
  }
}

function numbers(request: number, intendedUs: number): Parameters {
  return { index: { int64Param: request }, intended_us: { int64Param: intendedUs } };
}

function completed(response: ModelInferResponse | undefined): LoadAnswer {
  const residenceUs = response?.parameters?.residence_us?.doubleParam;
  return { outcome: "completed", status: "OK", error: null, residenceUs };
}

function failed(error: ServiceError): LoadAnswer {
  const name = status[error.code] ?? `status ${error.code}`;
  return { outcome: outcomeOf(error), status: name, error: error.details || error.message };
}

function outcomeOf(error: ServiceError): Outcome {
  const named = trailerOf(error, OUTCOME_TRAILER) as Outcome | null;
  if (named !== null && OUTCOMES.includes(named)) return named;
  switch (error.code) {
    case status.RESOURCE_EXHAUSTED:
      return "refused";
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return "cancelled";
    default:
      return "failed";
  }
}
