/**
 * Giving up one request of a stream: a message with its id and this parameter, and no inputs. The
 * request is answered with CANCELLED, unless its answer was under way already.
 */
import type { ModelInferRequest } from "./messages.ts";

const CANCEL_PARAMETER = "cancel";

export function cancelMessage(modelName: string, id: string): ModelInferRequest {
  return { modelName, id, parameters: { [CANCEL_PARAMETER]: { boolParam: true } }, inputs: [] };
}

export function isCancel({ parameters, inputs }: ModelInferRequest): boolean {
  return parameters?.[CANCEL_PARAMETER]?.boolParam === true && inputs.length === 0;
}
