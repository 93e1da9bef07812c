/** Messages of the Open Inference Protocol v2 (`proto/inference.proto`) as plain objects. */

/** One of the fields is set. 64-bit integers beyond 2^53 lose precision. */
export interface InferParameter {
  readonly boolParam?: boolean;
  readonly int64Param?: number;
  readonly stringParam?: string;
  readonly doubleParam?: number;
  readonly uint64Param?: number;
}

export type Parameters = Readonly<Record<string, InferParameter>>;

/** Its elements are the message's raw contents at the same place, however they came over the wire. */
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
  /** None: all. */
  readonly outputs?: readonly RequestedOutput[] | undefined;
  readonly rawInputContents?: readonly Uint8Array[] | undefined;
}

/** What a request carries, whatever model it goes to. */
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

/** Of RepositoryModelLoad and -Unload. */
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

/** Both sides of Triton's count: how many, and their time in all. */
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
  /** What the model took when it was loaded. */
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
