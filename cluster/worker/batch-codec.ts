/** Batches from protocol messages, and results to messages. */
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";
import {
  elementsOf,
  type JobResult,
  jobTensors,
  rawTensor,
  resultContents,
  type TensorsByTask,
} from "../protocol/tensors.ts";
import type { Backend, Batch, BatchResult, Job, JobOutput } from "./backend.ts";

/** Callers other than the gateway may leave these out. */
const NO_UPSTREAM = Buffer.from("{}");
const NO_PAYLOAD = new Uint8Array(0);
const NO_TENSORS: readonly Tensor[] = [];
const NONE: TensorsByTask = {};

/**
 * The batch in a request: `payload` and `upstream`, as the gateway sends them; `payload` alone; or a
 * model's own input tensors, as any client of the protocol sends them, which are one job.
 * Throws Fault("invalid-input") for anything else.
 */
export function batchOf(request: ModelInferRequest, backend: Backend): Batch {
  const { inputs = [], rawInputContents = [], parameters = {} } = request;
  const variate = parameters.variate?.doubleParam ?? null;
  const warmUp = parameters.warm_up?.boolParam ?? false;
  if (isPlain(request, backend)) {
    const tensors = inputs.map((tensor, i) => rawTensor(tensor, rawInputContents[i]));
    const job: Job = { payload: NO_PAYLOAD, upstream: NO_UPSTREAM, tensors, upstreamTensors: {} };
    return { jobs: [job], variate, warmUp };
  }
  const payloads = elementsOf(inputs, rawInputContents, "payload");
  if (payloads === null || payloads.length === 0) {
    throw new Fault("invalid-input", "the request has no input tensor payload", {
      hint: "send payload as BYTES [b], and upstream as BYTES [b] of JSON objects",
    });
  }
  const upstream = elementsOf(inputs, rawInputContents, "upstream");
  if (upstream !== null && upstream.length !== payloads.length) {
    throw new Fault(
      "invalid-input",
      `upstream has ${upstream.length} elements, payload has ${payloads.length}`,
    );
  }
  const byJob = jobTensors(inputs, rawInputContents, payloads.length);
  const jobs = payloads.map((payload, i): Job => {
    const own = byJob?.[i];
    const { "": tensors = NO_TENSORS, ...upstreamTensors } = own ?? NONE;
    return { payload, upstream: upstream?.[i] ?? NO_UPSTREAM, tensors, upstreamTensors };
  });
  return { jobs, variate, warmUp };
}

/** Whether a request has a model's own tensors rather than the gateway's form. */
function isPlain({ inputs = [] }: ModelInferRequest, backend: Backend): boolean {
  return backend.inputs !== null && !inputs.some(({ name }) => name === "upstream");
}

/** Throws a Fault when the only job of a plain request failed. */
export function answerOf(
  name: string,
  request: ModelInferRequest,
  { outputs, serviceUs }: BatchResult,
  backend: Backend,
): ModelInferResponse {
  const isAlone = isPlain(request, backend) && backend.outputs !== null;
  const contents = isAlone ? onlyResult(outputs[0]) : resultContents(outputs);
  return {
    modelName: name,
    modelVersion: "1",
    id: request.id ?? "",
    // To the nanosecond, the clock's resolution.
    parameters: { service_us: { doubleParam: Math.round(serviceUs * 1000) / 1000 } },
    outputs: contents.outputs,
    rawOutputContents: contents.rawOutputContents,
  };
}

/** A plain request's outputs: the model's own tensors. */
function onlyResult({ text, tensors }: JobResult): ReturnType<typeof resultContents> {
  if (tensors.length === 0) throw failureOf(text);
  return {
    outputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawOutputContents: tensors.map(({ raw }) => raw),
  };
}

function failureOf(text: Uint8Array): Fault {
  const output = JSON.parse(Buffer.from(text).toString()) as JobOutput;
  if (!("error" in output)) return new Fault("cluster-failure", "the model gave no tensors");
  return new Fault(output.code as Fault["code"], output.error);
}
