/**
 * A pipeline as a model: one inference request of the protocol, however it came, and its answer.
 * Each element of its payload is a request of its own to the dispatcher.
 */
import { Fault } from "../../core/fault.ts";
import { monotonicUs } from "../monotonic.ts";
import { callContext, type Header, TRACEPARENT } from "../observe/call-context.ts";
import { bytesTensor, elementsOf } from "../protocol/bytes-tensor.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  RequestedOutput,
} from "../protocol/messages.ts";
import type { ModelCounts } from "../protocol/model-counts.ts";
import { answerError } from "./answer-error.ts";
import type { Answer, Ticket } from "./live-request.ts";
import type { PipelineModels } from "./pipeline-models.ts";
import type { Submission } from "./run-options.ts";

/** Elements of one request's payload. */
const MAX_ELEMENTS = 1024;

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
  const { pipeline, counts } = models.named(message.modelName, message.modelVersion);
  checkOutputs(message.outputs);
  const payloads = payloadsOf(message);
  const common = { pipeline, ...optionsOf(message, deadlineMs, header) };
  const { length } = payloads;
  if (length > 1) {
    if (common.index !== null || common.idempotencyKey !== undefined) {
      throw new Fault("invalid-input", "a request with an index or a key carries one payload");
    }
    return callForEach(models, message, payloads, common, answer);
  }
  const ticket = gateway.submit({
    ...common,
    payload: payloads[0],
    answer: (given) => {
      count(counts, given, gateway.specification.timeScale);
      const error = answerError(given);
      const response =
        error === null
          ? responseOf(message, [gateway.run.messages.answerText(given)], given)
          : null;
      answer(error, response, given.outcome);
    },
  });
  return () => ticket.cancel();
}

/** The answer comes with the last of them; if one fails, the others are given up, and it is that. */
function callForEach(
  models: PipelineModels,
  message: ModelInferRequest,
  payloads: readonly Uint8Array[],
  common: Omit<Submission, "payload" | "answer">,
  answer: PipelineAnswer,
): () => void {
  const { gateway } = models;
  const { counts } = models.named(message.modelName);
  const texts = new Array<string>(payloads.length).fill("");
  const tickets: Ticket[] = [];
  let open = payloads.length;
  const cancel = (): void => {
    for (const ticket of tickets) ticket.cancel();
  };
  const ended = (i: number, given: Answer): void => {
    count(counts, given, gateway.specification.timeScale);
    if (open <= 0) return;
    const error = answerError(given);
    if (error !== null) {
      open = 0;
      cancel();
      answer(error, null, given.outcome);
      return;
    }
    texts[i] = gateway.run.messages.answerText(given);
    if (--open === 0) answer(null, responseOf(message, texts, given), given.outcome);
  };
  try {
    payloads.forEach((payload, i) => {
      tickets.push(gateway.submit({ ...common, payload, answer: (given) => ended(i, given) }));
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
  deadlineMs: number | undefined,
  header: Header | undefined,
): Omit<Submission, "pipeline" | "payload" | "answer"> {
  const key = parameters.idempotency_key?.stringParam;
  return {
    index: parameters.index?.int64Param ?? null,
    intendedUs: parameters.intended_us?.int64Param ?? null,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    context: callContext(id, parameters, header),
  };
}

function payloadsOf({ inputs, rawInputContents = [] }: ModelInferRequest): readonly Uint8Array[] {
  const payloads = elementsOf(inputs, rawInputContents, "payload");
  const count = payloads?.length ?? 0;
  if (payloads !== null && count > 0 && count <= MAX_ELEMENTS) return payloads;
  throw new Fault(
    "invalid-input",
    payloads === null
      ? "the request has no input tensor payload"
      : `the payload has ${count} elements, not 1 to ${MAX_ELEMENTS}`,
    { hint: "send the input tensor payload, datatype BYTES, shape [n]" },
  );
}

function checkOutputs(outputs: readonly RequestedOutput[] | undefined): void {
  for (const { name } of outputs ?? []) {
    if (name === "output") continue;
    throw new Fault("invalid-input", `a pipeline has no output ${JSON.stringify(name)}`, {
      hint: "its output is called output",
    });
  }
}

/** In wall-clock time, which is `timeScale` of the scenario's. */
function count(counts: ModelCounts, { error, outcome, request }: Answer, timeScale: number): void {
  const totalUs = monotonicUs() - request.takenAtUs;
  if (outcome !== "completed" || error !== null) {
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
  message: ModelInferRequest,
  texts: readonly string[],
  { request }: Answer,
): ModelInferResponse {
  const { traceparent } = request;
  const output = bytesTensor(
    "output",
    texts.map((text) => Buffer.from(text)),
  );
  return {
    modelName: message.modelName,
    modelVersion: "1",
    id: message.id ?? "",
    parameters: {
      residence_us: { doubleParam: monotonicUs() - request.takenAtUs },
      ...(traceparent === null ? {} : { [TRACEPARENT]: { stringParam: traceparent } }),
    },
    outputs: [output.tensor],
    rawOutputContents: [output.raw],
  };
}
