/** A server of the Open Inference Protocol over gRPC, by calls or on one stream. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { OUTCOMES, type Outcome } from "../../engine/dispatch/driver.ts";
import { InferenceClient, InferStream } from "../protocol/client.ts";
import type { ModelInferRequest, ModelInferResponse, Parameters } from "../protocol/messages.ts";
import { OUTCOME_TRAILER, reasonOf, trailerOf } from "../protocol/status.ts";
import type {
  LoadAnswer,
  LoadSpecification,
  LoadTarget,
  TargetSpecification,
} from "./specification.ts";

type GrpcSpecification = Extract<TargetSpecification, { kind: "grpc" }>;

export function grpcTarget(
  { address, access, streamed, requests }: GrpcSpecification,
  { pipelines, numbered }: LoadSpecification,
): LoadTarget {
  const client = new InferenceClient(address, access);
  let stream: InferStream | null = null;
  return {
    connect: () => client.ask("ServerLive", {}),
    send({ request, pipeline, intendedUs }, answer) {
      const own = requests[pipeline];
      const message: ModelInferRequest = {
        modelName: pipelines[pipeline].name,
        ...(numbered ? { parameters: numbers(request, intendedUs) } : {}),
        ...own[request % own.length],
      };
      const answered = (error: ServiceError | null, response?: ModelInferResponse): void =>
        answer(error === null ? completed(response) : failed(error));
      if (!streamed) {
        const call = client.infer(message, {}, answered);
        return () => call.cancel();
      }
      stream ??= new InferStream(client, {
        ended: () => {
          stream = null;
        },
      });
      const present = stream;
      const id = present.send({ ...message, id: "" }, answered);
      return () => present.cancel(message.modelName, id);
    },
    async close() {
      stream?.close();
      client.close();
    },
  };
}

function numbers(request: number, intendedUs: number): Parameters {
  return { index: { int64Param: request }, intended_us: { int64Param: intendedUs } };
}

function completed(response: ModelInferResponse | undefined): LoadAnswer {
  const { residence_us, ttft_us, tpot_us } = response?.parameters ?? {};
  return {
    outcome: "completed",
    status: "OK",
    error: null,
    residenceUs: residence_us?.doubleParam,
    ttftUs: ttft_us?.doubleParam,
    tpotUs: tpot_us?.doubleParam,
  };
}

function failed(error: ServiceError): LoadAnswer {
  const name = status[error.code] ?? `status ${error.code}`;
  return { outcome: outcomeOf(error), status: name, error: reasonOf(error) };
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
