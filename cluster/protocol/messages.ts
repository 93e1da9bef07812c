/** Messages of `proto/inference.proto` as plain objects, and parameters and headers with a meaning here. */
import { randomUUID } from "node:crypto";
import type { StartWindow } from "../../engine/dispatch/driver.ts";
import type { EngineUse } from "../../engine/metrics/token-tally.ts";

/** Parameter of a request: how long its caller waits for the answer, ms. */
export const DEADLINE_PARAMETER = "deadline_ms";
/** The same by Triton's clients, µs; 0: no limit. */
export const TIMEOUT_PARAMETER = "timeout";
/** Parameters of a batch: it starts so long after its receipt at the earliest and at the latest, µs. */
const START_AFTER_PARAMETER = "start_after_us";
const START_BEFORE_PARAMETER = "start_before_us";
/**
 * Parameters of a message without inputs on a stream. `cancel`: nobody wants the request of this id; its
 * answer is CANCELLED, unless it has begun. `preempt` stops a batch that has begun, if its model can be
 * stopped. `load`, `evict`: the model goes into its device's memory or leaves it; answered when done.
 * `free`: nobody needs the sequence that an engine keeps by this number; without one, any of the place's jobs.
 */
const CONTROLS = ["cancel", "preempt", "load", "evict", "free"] as const;

export type ControlKind = (typeof CONTROLS)[number];

/** A job of a language model. */
export interface TokenOrder {
  /** Null: the payload is the prompt, and the answer may end before `output` tokens. */
  readonly prompt: number | null;
  readonly output: number;
  /** Larger: more urgent. */
  readonly priority: number;
  /** The system's number of the pipeline, whose requests are one client to policies that are fair. */
  readonly client: number;
  /** Prompts of one beginning start with the same tokens, where the scenario gives prefixes. */
  readonly beginning: number;
  /** It ends at its first token, and its blocks are kept until the engine that goes on with it has room. */
  readonly goesOn?: boolean;
  /** Another engine has computed its prompt and made its first token. */
  readonly continues?: boolean;
}

/**
 * Tokens of a language model since the answer before, and their text; a request's last answer has its last. None: an
 * engine that goes on with another's sequence has room for it.
 */
export interface WrittenPart {
  readonly tokens: number;
  readonly text: string;
}

/** Parameter of a partial answer, false: more follow. Triton's name. */
const FINAL_PARAMETER = "triton_final_response";

/** Header of a call: the caller's id of it. */
export const REQUEST_ID_HEADER = "x-request-id";
/** Header or parameter: the caller's span (W3C trace context). */
export const TRACEPARENT = "traceparent";

/** Looks up a call's header. */
export type Header = (name: string) => string | undefined;

/** One of the fields is set. 64-bit integers beyond 2^53 lose precision. */
export interface InferParameter {
  readonly boolParam?: boolean;
  readonly int64Param?: number;
  readonly stringParam?: string;
  readonly doubleParam?: number;
  readonly uint64Param?: number;
}

export type Parameters = Readonly<Record<string, InferParameter>>;

/** Its elements are the message's raw contents at the same index. */
export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: Parameters | undefined;
}

export interface ModelInferRequest {
  readonly modelName: string;
  readonly modelVersion?: string | undefined;
  readonly id?: string | undefined;
  readonly parameters?: Parameters | undefined;
  readonly inputs: readonly Tensor[];
  /** Default: all. */
  readonly outputs?: readonly Pick<Tensor, "name" | "parameters">[] | undefined;
  readonly rawInputContents?: readonly Uint8Array[] | undefined;
}

/** A request without its model's name. */
export type RequestContents = Omit<ModelInferRequest, "modelName">;

export interface ModelInferResponse {
  readonly modelName: string;
  readonly modelVersion?: string | undefined;
  readonly id?: string | undefined;
  readonly parameters?: Parameters | undefined;
  readonly outputs: readonly Tensor[];
  readonly rawOutputContents?: readonly Uint8Array[] | undefined;
}

export interface ModelStreamInferResponse {
  /** Absent or empty unless the request failed. */
  readonly errorMessage?: string | undefined;
  readonly inferResponse?: ModelInferResponse | null;
}

export interface ModelName {
  readonly name: string;
  readonly version?: string;
}

/** The request of RepositoryModelLoad and RepositoryModelUnload. */
export interface RepositoryModel {
  readonly model_name?: string;
  readonly parameters?: Readonly<Record<string, { readonly string_param?: string }>>;
}

export function controlMessage(
  kind: ControlKind,
  modelName: string,
  id: string,
  more: Parameters = {},
): ModelInferRequest & { id: string } {
  return { modelName, id, parameters: { [kind]: { boolParam: true }, ...more }, inputs: [] };
}

/** Null for a request. */
export function controlOf({ parameters, inputs }: ModelInferRequest): ControlKind | null {
  if (inputs.length > 0 || parameters === undefined) return null;
  return CONTROLS.find((kind) => parameters[kind]?.boolParam === true) ?? null;
}

export function startParameters({ earliestUs, latestUs }: StartWindow): Parameters {
  return {
    [START_AFTER_PARAMETER]: { doubleParam: earliestUs },
    [START_BEFORE_PARAMETER]: { doubleParam: latestUs },
  };
}

/** Null: the batch may start at any time. */
export function startTimesOf({ parameters }: ModelInferRequest): StartWindow | null {
  const latestUs = numberOf(parameters?.[START_BEFORE_PARAMETER]);
  if (latestUs === undefined) return null;
  return { earliestUs: numberOf(parameters?.[START_AFTER_PARAMETER]) ?? 0, latestUs };
}

/** Parameters of a batch of one job for a language model. */
export function orderParameters(order: TokenOrder): Parameters {
  const { prompt, output, priority, client, beginning, goesOn, continues } = order;
  return {
    ...(goesOn === true ? { goes_on: { boolParam: true } } : {}),
    ...(continues === true ? { continues: { boolParam: true } } : {}),
    ...(prompt === null ? {} : { prompt_tokens: { int64Param: prompt } }),
    output_tokens: { int64Param: output },
    priority: { int64Param: priority },
    client: { int64Param: client },
    beginning: { int64Param: beginning },
  };
}

/** Null where the request gives no length. */
export function tokenOrderOf({ parameters }: ModelInferRequest): TokenOrder | null {
  const output = numberOf(parameters?.output_tokens);
  if (output === undefined) return null;
  return {
    prompt: numberOf(parameters?.prompt_tokens) ?? null,
    output,
    priority: numberOf(parameters?.priority) ?? 0,
    client: numberOf(parameters?.client) ?? 0,
    beginning: numberOf(parameters?.beginning) ?? 0,
    ...(parameters?.goes_on?.boolParam === true ? { goesOn: true } : {}),
    ...(parameters?.continues?.boolParam === true ? { continues: true } : {}),
  };
}

export function writtenParameters({ tokens, text }: WrittenPart): Parameters {
  return {
    tokens: { int64Param: tokens },
    ...(text === "" ? {} : { text: { stringParam: text } }),
  };
}

/** Null where the answer is not a language model's. */
export function writtenPartOf({ parameters }: ModelInferResponse): WrittenPart | null {
  const tokens = numberOf(parameters?.tokens);
  return tokens === undefined ? null : { tokens, text: parameters?.text?.stringParam ?? "" };
}

export function keptParameters(kept: number): Parameters {
  return { kept: { int64Param: kept } };
}

/** The number of the sequence that an engine keeps; null: none. */
export function keptOf({ parameters }: Pick<ModelInferResponse, "parameters">): number | null {
  return numberOf(parameters?.kept) ?? null;
}

export function engineUseParameters(use: EngineUse): Parameters {
  const { preemptions, busyUs, usedUs, ranUs, profiledUs } = use;
  const real = { ran_us: { doubleParam: ranUs }, profiled_us: { doubleParam: profiledUs } };
  return {
    preemptions: { int64Param: preemptions },
    engine_busy_us: { doubleParam: busyUs },
    kv_used_us: { doubleParam: usedUs },
    ...(profiledUs === 0 ? {} : real),
  };
}

export function engineUseOf({ parameters }: ModelInferResponse): EngineUse {
  return {
    preemptions: numberOf(parameters?.preemptions) ?? 0,
    busyUs: numberOf(parameters?.engine_busy_us) ?? 0,
    usedUs: numberOf(parameters?.kv_used_us) ?? 0,
    ranUs: numberOf(parameters?.ran_us) ?? 0,
    profiledUs: numberOf(parameters?.profiled_us) ?? 0,
  };
}

/** Marks an answer as its request's last, or as one that others follow, as Triton does. */
export function withFinality(response: ModelInferResponse, isFinal: boolean): ModelInferResponse {
  const parameters = { ...response.parameters, [FINAL_PARAMETER]: { boolParam: isFinal } };
  return { ...response, parameters };
}

export function isPartial({ parameters }: ModelInferResponse): boolean {
  return parameters?.[FINAL_PARAMETER]?.boolParam === false;
}

/** How long a request's caller waits by its parameters, ms; undefined: no limit. */
export function deadlineOf({ parameters }: ModelInferRequest): number | undefined {
  if (parameters === undefined) return undefined;
  const deadlineMs = numberOf(parameters[DEADLINE_PARAMETER]);
  const timeoutUs = numberOf(parameters[TIMEOUT_PARAMETER]) ?? 0;
  if (timeoutUs === 0) return deadlineMs;
  return Math.min(timeoutUs / 1000, deadlineMs ?? Number.POSITIVE_INFINITY);
}

function numberOf(given: InferParameter | undefined): number | undefined {
  return given?.int64Param ?? given?.uint64Param ?? given?.doubleParam;
}

const TRACESTATE = "tracestate";
/** Parameter of a batch: the spans of its jobs, in order, separated by commas. */
export const TRACEPARENTS_PARAMETER = "traceparents";

export interface CallContext {
  /** The caller's name for the request (`x-request-id`, or the protocol's id). */
  readonly requestId?: string | undefined;
  /** W3C trace context: the caller's span. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

const NO_HEADERS: Header = () => undefined;
const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;
const LONGEST_STATE = 512;

/** `given` where headers and logs can hold it; else `other`, or a new id. */
export function requestIdOf(given: string | undefined, other?: string): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : (other ?? randomUUID());
}

/** `id` is the protocol's; a header goes before it. */
export function callContext(
  id: string | undefined,
  parameters: Parameters,
  header: Header = NO_HEADERS,
): CallContext {
  const requestId = header(REQUEST_ID_HEADER) ?? id ?? "";
  const tracestate = parameters[TRACESTATE]?.stringParam ?? header(TRACESTATE) ?? "";
  return {
    requestId: REQUEST_ID.test(requestId) ? requestId : undefined,
    traceparent: parameters[TRACEPARENT]?.stringParam ?? header(TRACEPARENT),
    tracestate: tracestate.length <= LONGEST_STATE ? tracestate || undefined : undefined,
  };
}
