/** Numbers of the fields of the hot messages, in `proto/inference.proto` and `proto/worker-link.proto`. */
export const MODEL_NAME = 1;
export const MODEL_VERSION = 2;
export const ID = 3;
export const PARAMETERS = 4;
export const TENSORS = 5;
export const REQUESTED_OUTPUTS = 6;
export const RAW_INPUTS = 7;
export const RAW_OUTPUTS = 6;
export const ERROR_MESSAGE = 1;
export const INFER_RESPONSE = 2;
/** Of a bundle, requests or answers. */
export const ELEMENTS = 1;
