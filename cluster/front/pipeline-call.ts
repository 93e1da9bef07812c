/** Inference requests, by gRPC or REST. Each element of a request's payload is a request of its own to the dispatcher. */
import { Fault, unreachable } from "../../engine/basics/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import type { ModelCounts } from "../protocol/hosted-models.ts";
import {
  callContext,
  DEADLINE_PARAMETER,
  type Header,
  type InferParameter,
  type ModelInferRequest,
  type ModelInferResponse,
  type Parameters,
  TIMEOUT_PARAMETER,
  TRACEPARENT,
  type Tensor as WireTensor,
} from "../protocol/messages.ts";
import { elementsOf, rawTensor } from "../protocol/tensors.ts";
import type { Gateway } from "../run/gateway.ts";
import type { Answer, Caller, LiveRequest, Submission } from "../run/live-request.ts";
import { LIMITS } from "../security/limits.ts";
import { monotonicUs } from "../time/clock.ts";
import {
  isPayload,
  outputsOf,
  PAYLOAD,
  type PipelineModel,
  type PipelineModels,
} from "./pipeline-models.ts";

/** Elements of one request's payload. */
const MAX_ELEMENTS = 1024;
const NO_PAYLOAD = new Uint8Array(0);
const PAYLOAD_HINT = { hint: "send the input tensor payload, datatype BYTES, shape [n]" };

const WHOLE = ["int64Param", "uint64Param"] as const;

/** By parameter: its kind in words, and the fields that may hold it. */
const PARAMETER_KINDS: ReadonlyMap<string, readonly [string, ...(keyof InferParameter)[]]> =
  new Map([
    [DEADLINE_PARAMETER, ["a number", ...WHOLE, "doubleParam"]],
    [TIMEOUT_PARAMETER, ["a whole number", ...WHOLE]],
    ["max_tokens", ["a whole number", ...WHOLE]],
    ["priority", ["a whole number", ...WHOLE]],
    ["scheduler", ["a text", "stringParam"]],
    ["idempotency_key", ["a text", "stringParam"]],
  ]);

/** Parameters of inputs and of requested outputs that ask for a missing extension. */
const MISSING: readonly (readonly [parameter: string, what: string])[] = [
  ["shared_memory_region", "shared memory"],
  ["classification", "classification"],
];

type Contents = Pick<Submission, "payload" | "tensors">;

interface PipelineCall {
  readonly request: ModelInferRequest;
  readonly deadlineMs: number | undefined;
  /** Headers of its call, where it has any. */
  readonly header?: Header | undefined;
  /** Gets the tokens of a language model that writes last, as they come. */
  readonly told?: Submission["told"];
}

type PipelineAnswer = (
  error: Fault | null,
  response: ModelInferResponse | null,
  outcome: Answer["outcome"],
) => void;

/**
 * `answer` is called once. Returns a function that cancels the request, for a caller that goes away.
 * Throws a Fault when the gateway refuses the request.
 */
export function callPipeline(
  models: PipelineModels,
  { request: message, deadlineMs, header, told }: PipelineCall,
  answer: PipelineAnswer,
): () => void {
  const model = models.named(message.modelName, message.modelVersion);
  checkTensors("input", message.inputs);
  checkTensors("output", message.outputs ?? []);
  const contents = contentsOf(message);
  const options = optionsOf(message, model.pipeline, { deadlineMs, header, told });
  if (contents.length > 1 && options.isForOne) {
    const what = "a request with an index or a key, or with a streamed answer, carries one payload";
    throw new Fault("invalid-input", what);
  }
  const [{ tensors }] = contents;
  const submit = (): (() => void) => {
    if (tensors !== undefined) model.checkInputs(tensors);
    return submitAll(models, model.counts, message, contents, options, answer);
  };
  const isKnown = tensors === undefined || model.knowsInputs;
  return isKnown ? submit() : afterLearning(model, submit, answer);
}

/** Calls `submit` once the inputs of the model are known. */
function afterLearning(
  model: PipelineModel,
  submit: () => () => void,
  answer: PipelineAnswer,
): () => void {
  let waits = true;
  let cancel = (): void => {
    waits = false;
  };
  model.learn().then(() => {
    if (!waits) return;
    try {
      cancel = submit();
    } catch (error) {
      answer(error as Fault, null, "refused");
    }
  });
  return () => cancel();
}

/** Answers with the last element; the first failure cancels the other elements and is the answer. */
function submitAll(
  { gateway }: PipelineModels,
  counts: ModelCounts,
  message: ModelInferRequest,
  contents: readonly Contents[],
  { submission }: ReturnType<typeof optionsOf>,
  answer: PipelineAnswer,
): () => void {
  const answers: Answer[] = [];
  const callers: Caller[] = [];
  let waiting = contents.length;
  let done = false;
  const cancel = (): void => {
    for (const caller of callers) caller.cancel();
  };
  const ended = (i: number, given: Answer): void => {
    answers[i] = given;
    const isLast = --waiting === 0 && !done;
    let error = answerError(given);
    let response: ModelInferResponse | null = null;
    try {
      if (isLast && error === null) response = responseOf(gateway, message, answers);
    } catch (thrown) {
      // The caller's, such as an unknown output.
      if (!(thrown instanceof Fault)) throw thrown;
      error = thrown;
    }
    count(counts, given, error, gateway.specification.timeScale);
    if (done || (error === null && !isLast)) return;
    done = true;
    if (error !== null) cancel();
    answer(error, response, given.outcome);
  };
  try {
    for (const [i, own] of contents.entries()) {
      callers.push(gateway.submit(submission(own, (given) => ended(i, given))));
    }
  } catch (error) {
    done = true;
    cancel();
    throw error;
  }
  return cancel;
}

/** Makes the submissions of a request's elements. Throws Fault("invalid-input"). */
function optionsOf(
  { id, parameters = {} }: ModelInferRequest,
  pipeline: number,
  { deadlineMs, header, told }: Omit<PipelineCall, "request">,
) {
  for (const name in parameters) checkParameter(name, parameters[name]);
  const index = parameters.index?.int64Param ?? null;
  const intendedUs = parameters.intended_us?.int64Param ?? null;
  const priority = parameters.priority?.int64Param ?? parameters.priority?.uint64Param;
  const scheduler = parameters.scheduler?.stringParam;
  const maxTokens = parameters.max_tokens?.int64Param ?? parameters.max_tokens?.uint64Param;
  if (maxTokens !== undefined && maxTokens < 1) {
    throw new Fault("invalid-input", `max_tokens is ${maxTokens}: an answer has at least one`);
  }
  const idempotencyKey = parameters.idempotency_key?.stringParam;
  if (told !== undefined && idempotencyKey !== undefined) {
    throw new Fault("invalid-input", "a streamed answer is for one caller, so it takes no key");
  }
  const context = callContext(id, parameters, header);
  return {
    isForOne: index !== null || idempotencyKey !== undefined || told !== undefined,
    /** Field by field, as in `liveRequest`. */
    submission: ({ payload, tensors }: Contents, answer: Submission["answer"]): Submission => ({
      pipeline,
      payload,
      tensors,
      index,
      intendedUs,
      priority,
      scheduler,
      deadlineMs,
      idempotencyKey,
      context,
      answer,
      told,
      maxTokens,
    }),
  };
}

/** Throws Fault("invalid-input") for extensions of Triton that this server lacks: ignoring one would give a wrong answer. */
function checkTensors(
  kind: "input" | "output",
  tensors: readonly Pick<WireTensor, "name" | "parameters">[],
): void {
  if (tensors.length > LIMITS.tensors) {
    throw new Fault("limit-exceeded", `${tensors.length} tensors are more than ${LIMITS.tensors}`);
  }
  for (const { name, parameters } of tensors) {
    const missing = MISSING.find(([parameter]) => parameters?.[parameter] !== undefined);
    if (missing === undefined) continue;
    const message = `${kind} ${name} asks for ${missing[1]}, which there is none of here`;
    throw new Fault("invalid-input", message, {
      hint: "ServerMetadata lists the extensions; tensors travel in the message, as raw contents",
    });
  }
}

/** A parameter of the wrong kind is an error, as the caller relies on it. */
function checkParameter(name: string, given: InferParameter): void {
  if ((given.stringParam?.length ?? 0) > LIMITS.nameLength) {
    const what = `parameter ${name} has more than ${LIMITS.nameLength} characters`;
    throw new Fault("invalid-input", what);
  }
  const [kind, ...forms] = PARAMETER_KINDS.get(name) ?? [];
  if (kind === undefined || forms.some((form) => given[form] !== undefined)) return;
  throw new Fault("invalid-input", `parameter ${name} is not ${kind}`);
}

/** Each element of a payload, or one request of tensors, with or without a payload of one element. */
function contentsOf({ inputs, rawInputContents = [] }: ModelInferRequest): readonly Contents[] {
  const payloads = inputs.some(isPayload) ? elementsOf(inputs, rawInputContents, PAYLOAD) : null;
  const isAlone = payloads !== null && inputs.length === 1;
  const tensors = isAlone ? [] : tensorsOf(inputs, rawInputContents);
  if (payloads === null) {
    if (tensors.length > 0) return [{ payload: NO_PAYLOAD, tensors }];
    throw new Fault("invalid-input", "the request has no input tensor payload", PAYLOAD_HINT);
  }
  const count = payloads.length;
  if (count === 0 || count > MAX_ELEMENTS) {
    const what = `the payload has ${count} elements, not 1 to ${MAX_ELEMENTS}`;
    throw new Fault("invalid-input", what, PAYLOAD_HINT);
  }
  if (tensors.length === 0) return payloads.map((payload) => ({ payload }));
  if (count === 1) return [{ payload: payloads[0], tensors }];
  throw new Fault("invalid-input", `beside tensors a payload has one element, not ${count}`);
}

/** All inputs but the payload. */
function tensorsOf(inputs: readonly WireTensor[], raw: readonly Uint8Array[]): readonly Tensor[] {
  if (raw.length > inputs.length) {
    const what = `${raw.length} raw contents for ${inputs.length} tensors`;
    throw new Fault("invalid-input", `${what}: one is due for each`);
  }
  if (new Set(inputs.map(({ name }) => name)).size < inputs.length) {
    throw new Fault("invalid-input", "two input tensors have the same name");
  }
  return inputs.flatMap((tensor, i) => (isPayload(tensor) ? [] : [rawTensor(tensor, raw[i])]));
}

/** Counts wall-clock time, which is `timeScale` times the scenario's. */
function count(
  counts: ModelCounts,
  { request }: Answer,
  error: Fault | null,
  timeScale: number,
): void {
  const totalUs = monotonicUs() - request.takenAtUs;
  if (error !== null) {
    counts.failed(totalUs);
    return;
  }
  let queueUs = 0;
  let computeUs = 0;
  for (const result of request.results) {
    if (result === null) continue;
    queueUs += (result.timing.startUs - result.timing.queuedUs) * timeScale;
    computeUs += result.timing.serviceUs;
  }
  counts.succeeded({ size: 1, totalUs, queueUs, computeUs });
}

function responseOf(
  gateway: Gateway,
  message: ModelInferRequest,
  answers: readonly Answer[],
): ModelInferResponse {
  const { takenAtUs, traceparent, pipeline, written } = answers[0].request;
  const { tasks } = gateway.system.pipelines[pipeline];
  const { outputs, raw } = outputsOf(message, tasks, answers, gateway.run.messages);
  const parameters: Record<string, InferParameter> = {
    residence_us: { doubleParam: monotonicUs() - takenAtUs },
  };
  if (traceparent !== null) parameters[TRACEPARENT] = { stringParam: traceparent };
  if (written !== null) Object.assign(parameters, tokenTimes(written));
  return {
    modelName: message.modelName,
    modelVersion: "1",
    id: message.id ?? "",
    parameters,
    outputs,
    rawOutputContents: raw,
  };
}

function tokenTimes(written: NonNullable<LiveRequest["written"]>): Parameters {
  const { promptTokens, tokens, ttftUs, tpotUs } = written;
  return {
    prompt_tokens: { int64Param: promptTokens },
    output_tokens: { int64Param: tokens },
    ttft_us: { doubleParam: ttftUs },
    tpot_us: { doubleParam: tpotUs },
  };
}

/** Why a request got no result; null for a completed request. */
function answerError({ outcome, error }: Answer): Fault | null {
  switch (outcome) {
    case "completed":
      return null;
    case "refused":
      return new Fault("overloaded", "refused: too many requests are in the system", {
        hint: "try again later",
      });
    case "dropped":
      return new Fault(
        "deadline-exceeded",
        "dropped: the latency of its SLO had passed while it waited",
      );
    case "failed":
      return (
        error ??
        new Fault("cluster-failure", "the replicas that ran it were lost, one after another")
      );
    case "cancelled":
      return error ?? new Fault("interrupted", "the request was cancelled");
    default:
      return unreachable(outcome);
  }
}
