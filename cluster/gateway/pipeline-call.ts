/**
 * A pipeline as a model: one inference request of the protocol, however it came, and its answer.
 * Each element of its payload is a request of its own to the dispatcher.
 */

import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import { monotonicUs } from "../monotonic.ts";
import { callContext } from "../observe/call-context.ts";
import type { ModelCounts } from "../protocol/hosted-models.ts";
import {
  DEADLINE_PARAMETER,
  type Header,
  type InferParameter,
  type ModelInferRequest,
  type ModelInferResponse,
  TIMEOUT_PARAMETER,
  TRACEPARENT,
  type Tensor as WireTensor,
} from "../protocol/messages.ts";
import { elementsOf, rawTensor } from "../protocol/tensors.ts";
import { LIMITS } from "../security/limits.ts";
import { answerError } from "./answer-error.ts";
import type { Answer, Ticket } from "./live-request.ts";
import { checkExtensions } from "./missing-extensions.ts";
import { isPayload, PAYLOAD } from "./pipeline-inputs.ts";
import type { PipelineModel, PipelineModels } from "./pipeline-models.ts";
import { outputsOf } from "./pipeline-outputs.ts";
import type { Submission } from "./run-options.ts";

/** Elements of one request's payload. */
const MAX_ELEMENTS = 1024;
const NO_PAYLOAD = new Uint8Array(0);
const PAYLOAD_HINT = { hint: "send the input tensor payload, datatype BYTES, shape [n]" };

interface ParameterKind {
  readonly name: string;
  readonly forms: readonly (keyof InferParameter)[];
}

const TEXT: ParameterKind = { name: "a text", forms: ["stringParam"] };
const WHOLE: ParameterKind = { name: "a whole number", forms: ["int64Param", "uint64Param"] };
const NUMBER: ParameterKind = { name: "a number", forms: [...WHOLE.forms, "doubleParam"] };

const PARAMETER_KINDS: ReadonlyMap<string, ParameterKind> = new Map([
  [DEADLINE_PARAMETER, NUMBER],
  [TIMEOUT_PARAMETER, WHOLE],
  ["priority", WHOLE],
  ["scheduler", TEXT],
  ["idempotency_key", TEXT],
]);

type Contents = Pick<Submission, "payload" | "tensors">;
type CallOptions = Omit<Submission, "answer" | keyof Contents>;

export interface PipelineCall {
  readonly request: ModelInferRequest;
  readonly deadlineMs: number | undefined;
  /** Of the call that brought it, where it has any. */
  readonly header?: Header | undefined;
}

/** `outcome` is the request's, where it became one. */
export type PipelineAnswer = (
  error: Fault | null,
  response: ModelInferResponse | null,
  outcome: Answer["outcome"],
) => void;

/**
 * Gives the request to the gateway; `answer` is called once. Returns what to call when the caller
 * waits no longer; with `deadlineMs` that is known from the start. Throws a Fault when the request
 * cannot be taken.
 */
export function callPipeline(
  models: PipelineModels,
  { request: message, deadlineMs, header }: PipelineCall,
  answer: PipelineAnswer,
): () => void {
  const { gateway } = models;
  const model = models.named(message.modelName, message.modelVersion);
  model.checkServed();
  checkTensors(message);
  checkExtensions(message);
  const { pipeline, counts } = model;
  const contents = contentsOf(message);
  const options = optionsOf(message, pipeline, deadlineMs, header);
  if (contents.length > 1) {
    if (options.index !== null || options.idempotencyKey !== undefined) {
      throw new Fault("invalid-input", "a request with an index or a key carries one payload");
    }
    return callForEach(models, message, contents, options, answer);
  }
  const [own] = contents;
  const submit = (): (() => void) => {
    if (own.tensors !== undefined) model.checkInputs(own.tensors);
    const submission = submissionOf(options, own, (given) => {
      const { error, response } = outcomeOf(given, () => responseOf(models, message, [given]));
      count(counts, given, error, gateway.specification.timeScale);
      answer(error, response, given.outcome);
    });
    const ticket = gateway.submit(submission);
    return () => ticket.cancel();
  };
  return own.tensors === undefined || model.knowsInputs
    ? submit()
    : afterLearning(model, submit, answer);
}

/** Like `submit`, once it is known what the model takes. */
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

/** What cannot be answered as it was asked for is an error of the caller's. */
function outcomeOf(
  given: Answer,
  respond: () => ModelInferResponse,
): { error: Fault | null; response: ModelInferResponse | null } {
  const error = answerError(given);
  if (error !== null) return { error, response: null };
  try {
    return { error, response: respond() };
  } catch (thrown) {
    if (thrown instanceof Fault) return { error: thrown, response: null };
    throw thrown;
  }
}

/** The answer comes with the last of them; if one fails, the others are given up, and it is that. */
function callForEach(
  models: PipelineModels,
  message: ModelInferRequest,
  contents: readonly Contents[],
  options: CallOptions,
  answer: PipelineAnswer,
): () => void {
  const { gateway } = models;
  const { counts } = models.named(message.modelName);
  const answers: Answer[] = [];
  const tickets: Ticket[] = [];
  let open = contents.length;
  const cancel = (): void => {
    for (const ticket of tickets) ticket.cancel();
  };
  const ended = (i: number, given: Answer): void => {
    const error = answerError(given);
    count(counts, given, error, gateway.specification.timeScale);
    if (open <= 0) return;
    if (error !== null) {
      open = 0;
      cancel();
      answer(error, null, given.outcome);
      return;
    }
    answers[i] = given;
    if (--open > 0) return;
    const last = outcomeOf(given, () => responseOf(models, message, answers));
    answer(last.error, last.response, given.outcome);
  };
  try {
    contents.forEach((own, i) => {
      tickets.push(gateway.submit(submissionOf(options, own, (given) => ended(i, given))));
    });
  } catch (error) {
    open = 0;
    cancel();
    throw error;
  }
  return cancel;
}

function optionsOf(
  { id, parameters = {} }: ModelInferRequest,
  pipeline: number,
  deadlineMs: number | undefined,
  header: Header | undefined,
): CallOptions {
  for (const name in parameters) checkParameter(name, parameters[name]);
  return {
    pipeline,
    index: parameters.index?.int64Param ?? null,
    intendedUs: parameters.intended_us?.int64Param ?? null,
    priority: parameters.priority?.int64Param ?? parameters.priority?.uint64Param,
    scheduler: parameters.scheduler?.stringParam,
    deadlineMs,
    idempotencyKey: parameters.idempotency_key?.stringParam,
    context: callContext(id, parameters, header),
  };
}

/** Field by field: copies that are made by spreading get a hidden class each (ARCHITECTURE.md). */
function submissionOf(
  options: CallOptions,
  { payload, tensors }: Contents,
  answer: Submission["answer"],
): Submission {
  return {
    pipeline: options.pipeline,
    payload,
    tensors,
    index: options.index,
    intendedUs: options.intendedUs,
    priority: options.priority,
    scheduler: options.scheduler,
    deadlineMs: options.deadlineMs,
    idempotencyKey: options.idempotencyKey,
    context: options.context,
    answer,
  };
}

function checkTensors({ inputs, outputs = [] }: ModelInferRequest): void {
  const most = Math.max(inputs.length, outputs.length);
  if (most <= LIMITS.tensors) return;
  throw new Fault("limit-exceeded", `${most} tensors are more than ${LIMITS.tensors}`);
}

/** One that is not of its kind is not passed over: its caller counts on what it asked for. */
function checkParameter(name: string, given: InferParameter): void {
  if ((given.stringParam?.length ?? 0) > LIMITS.nameLength) {
    const what = `parameter ${name} has more than ${LIMITS.nameLength} characters`;
    throw new Fault("invalid-input", what);
  }
  const kind = PARAMETER_KINDS.get(name);
  if (kind === undefined || kind.forms.some((form) => given[form] !== undefined)) return;
  throw new Fault("invalid-input", `parameter ${name} is not ${kind.name}`);
}

/** Each element of a payload, or else the one job of tensors, which may have a payload of one element too. */
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

/** Those that are not the payload. */
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

/** In wall-clock time, which is `timeScale` of the scenario's. */
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
  models: PipelineModels,
  message: ModelInferRequest,
  answers: readonly Answer[],
): ModelInferResponse {
  const { takenAtUs, traceparent } = answers[0].request;
  const { outputs, raw } = outputsOf(models, message, answers);
  const parameters: Record<string, InferParameter> = {
    residence_us: { doubleParam: monotonicUs() - takenAtUs },
  };
  if (traceparent !== null) parameters[TRACEPARENT] = { stringParam: traceparent };
  return {
    modelName: message.modelName,
    modelVersion: "1",
    id: message.id ?? "",
    parameters,
    outputs,
    rawOutputContents: raw,
  };
}
