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

export interface TensorContents {
  readonly bytesContents?: readonly Uint8Array[];
}

export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly contents?: TensorContents | null;
}

export interface ModelInferRequest {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly inputs: readonly Tensor[];
  readonly outputs?: readonly { readonly name: string }[];
  readonly rawInputContents?: readonly Uint8Array[];
}

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
