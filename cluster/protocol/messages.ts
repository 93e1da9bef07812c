/**
 * Messages of the Open Inference Protocol v2 (`proto/inference.proto`) as plain objects, and the
 * parameters and headers of requests that this system gives a meaning.
 */

/** Parameter of a request: how long its caller waits for the answer, ms. */
export const DEADLINE_PARAMETER = "deadline_ms";
/** The same by Triton's clients, µs; 0: no limit. */
export const TIMEOUT_PARAMETER = "timeout";
/** Parameters of a batch: it starts so long after its receipt at the earliest and at the latest, µs. */
const START_AFTER_PARAMETER = "start_after_us";
const START_BEFORE_PARAMETER = "start_before_us";
/**
 * Parameters of a message without inputs on a stream. `cancel`: nobody wants the request of the same
 * id any more; its answer is CANCELLED, unless it has begun. `preempt`: so is one that has begun, if
 * its model can be stopped. `load`, `evict`: the model goes into the memory of its device, or leaves it,
 * while its replica stays up; the answer comes when that is done.
 */
const CONTROLS = ["cancel", "preempt", "load", "evict"] as const;

export type ControlKind = (typeof CONTROLS)[number];

/** When a worker may start a batch, µs from its receipt. */
export interface StartTimes {
  readonly earliestUs: number;
  readonly latestUs: number;
}

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

export interface RequestedOutput {
  readonly name: string;
  readonly parameters?: Parameters | undefined;
}

export interface ModelInferRequest {
  readonly modelName: string;
  readonly modelVersion?: string | undefined;
  readonly id?: string;
  readonly parameters?: Parameters | undefined;
  readonly inputs: readonly Tensor[];
  /** Default: all. */
  readonly outputs?: readonly RequestedOutput[] | undefined;
  readonly rawInputContents?: readonly Uint8Array[] | undefined;
}

/** A request without its model's name. */
export type RequestContents = Omit<ModelInferRequest, "modelName">;

export interface ModelInferResponse {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly outputs: readonly Tensor[];
  readonly rawOutputContents?: readonly Uint8Array[];
}

export interface ModelStreamInferResponse {
  /** Absent or empty unless the request failed. */
  readonly errorMessage?: string;
  readonly inferResponse?: ModelInferResponse | null;
}

export interface ModelName {
  readonly name: string;
  readonly version?: string;
}

/** The request of RepositoryModelLoad and RepositoryModelUnload. */
export interface RepositoryModel {
  readonly modelName?: string;
  readonly parameters?: Readonly<Record<string, { readonly stringParam?: string }>>;
}

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** A number of requests and their total time. */
export interface StatisticDuration {
  readonly count: number;
  readonly ns: number;
}

export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since the epoch; 0: none yet. */
  readonly lastInference: number;
  readonly inferenceCount: number;
  readonly executionCount: number;
  readonly inferenceStats: Readonly<Record<InferPhase, StatisticDuration>>;
  readonly batchStats: readonly BatchStatistics[];
  /** Memory of the loaded model. */
  readonly memoryUsage?: readonly {
    readonly type: string;
    readonly id: number;
    readonly byteSize: number;
  }[];
}

export type InferPhase =
  | "success"
  | "fail"
  | "queue"
  | "computeInput"
  | "computeInfer"
  | "computeOutput"
  | "cacheHit"
  | "cacheMiss";

export interface BatchStatistics {
  readonly batchSize: number;
  readonly computeInput: StatisticDuration;
  readonly computeInfer: StatisticDuration;
  readonly computeOutput: StatisticDuration;
}

export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly maxBatchSize: number;
  readonly input: readonly ConfigTensor[];
  readonly output: readonly ConfigTensor[];
  readonly parameters: Readonly<Record<string, { readonly stringValue: string }>>;
  readonly modelTransactionPolicy: { readonly decoupled: boolean };
}

export interface ConfigTensor {
  readonly name: string;
  readonly dataType: string;
  readonly dims: readonly number[];
}

export interface ModelIndex {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
}

export function controlMessage(
  kind: ControlKind,
  modelName: string,
  id: string,
): ModelInferRequest & { id: string } {
  return { modelName, id, parameters: { [kind]: { boolParam: true } }, inputs: [] };
}

/** Null for a request. */
export function controlOf({ parameters, inputs }: ModelInferRequest): ControlKind | null {
  if (inputs.length > 0 || parameters === undefined) return null;
  return CONTROLS.find((kind) => parameters[kind]?.boolParam === true) ?? null;
}

export function startParameters({ earliestUs, latestUs }: StartTimes): Parameters {
  return {
    [START_AFTER_PARAMETER]: { doubleParam: earliestUs },
    [START_BEFORE_PARAMETER]: { doubleParam: latestUs },
  };
}

/** Null: the batch may start at any time. */
export function startTimesOf({ parameters }: ModelInferRequest): StartTimes | null {
  const latestUs = numberOf(parameters?.[START_BEFORE_PARAMETER]);
  if (latestUs === undefined) return null;
  return { earliestUs: numberOf(parameters?.[START_AFTER_PARAMETER]) ?? 0, latestUs };
}

/** How long a request's caller waits by its parameters, ms; undefined: no limit. */
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
