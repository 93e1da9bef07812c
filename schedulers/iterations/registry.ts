/** The policies of iterations, as `models.NAME.tokens.policy` has them. */
import { assert } from "../../engine/basics/fault.ts";
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";
import { DISTSERVE_DECODE, DISTSERVE_PREFILL } from "./distserve.ts";
import { SARATHI } from "./sarathi.ts";
import { VLLM } from "./vllm.ts";
import { VLLM_PRIORITY } from "./vllm-priority.ts";
import { VLLM_V0 } from "./vllm-v0.ts";
import { VTC } from "./vtc.ts";

export const ITERATIONS: readonly IterationDefinition[] = [
  ...[VLLM, VLLM_PRIORITY, VLLM_V0, SARATHI, VTC],
  ...[DISTSERVE_PREFILL, DISTSERVE_DECODE],
];

/** The scenario's schema has refused other names. */
export function iterationPolicy(name: string): IterationPolicy {
  const found = ITERATIONS.find((one) => one.name === name);
  assert(found !== undefined, `a checked scenario names a policy of iterations: ${name}`);
  return found.create();
}
