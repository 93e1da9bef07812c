/**
 * What Triton's clients can ask for and this server has not. Passed over, it would give its caller
 * something else than it asked for, unsaid.
 */
import { Fault } from "../../core/fault.ts";
import type { ModelInferRequest, Parameters } from "../protocol/messages.ts";

/** Parameters of inputs and of requested outputs, by what asks with them. */
const MISSING: readonly (readonly [parameter: string, what: string])[] = [
  ["shared_memory_region", "shared memory"],
  ["classification", "classification"],
];

/** Throws Fault("invalid-input"). */
export function checkExtensions({ inputs, outputs = [] }: ModelInferRequest): void {
  for (const { name, parameters } of inputs) if (parameters) check(`input ${name}`, parameters);
  for (const { name, parameters } of outputs) if (parameters) check(`output ${name}`, parameters);
}

function check(where: string, parameters: Parameters): void {
  for (const [parameter, what] of MISSING) {
    if (parameters[parameter] === undefined) continue;
    throw new Fault("invalid-input", `${where} asks for ${what}, which there is none of here`, {
      hint: "ServerMetadata lists the extensions; tensors travel in the message, as raw contents",
    });
  }
}
