/** Batches from protocol messages, and results to messages. */
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  Tensor as WireTensor,
} from "../protocol/messages.ts";
import {
  asOwn,
  bytesTensor,
  elementsOf,
  jobTensors,
  rawTensor,
  type TensorsByTask,
  wireTensors,
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
  // To the nanosecond, the clock's resolution.
  const service = { doubleParam: Math.round(serviceUs * 1000) / 1000 };
  const answer = (
    outputs: readonly WireTensor[],
    raw: readonly Uint8Array[],
  ): ModelInferResponse => ({
    modelName: name,
    modelVersion: "1",
    id: request.id ?? "",
    parameters: { service_us: service },
    outputs,
    rawOutputContents: raw,
  });
  if (isPlain(request, backend) && backend.outputs !== null) {
    const [{ text, tensors }] = outputs;
    if (tensors.length === 0) throw failureOf(text);
    return answer(
      tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      tensors.map(({ raw }) => raw),
    );
  }
  const texts = bytesTensor(
    "output",
    outputs.map(({ text }) => text),
  );
  if (outputs.every(({ tensors }) => tensors.length === 0)) {
    return answer([texts.tensor], [texts.raw]);
  }
  const own = wireTensors(outputs.map(({ tensors }) => asOwn(tensors)));
  return answer([texts.tensor, ...own.tensors], [texts.raw, ...own.raw]);
}

function failureOf(text: Uint8Array): Fault {
  const output = JSON.parse(Buffer.from(text).toString()) as JobOutput;
  if (!("error" in output)) return new Fault("cluster-failure", "the model gave no tensors");
  return new Fault(output.code as Fault["code"], output.error);
}
