/** The policies of iterations by name, as `models.NAME.tokens.policy` has them. */
import { assert } from "../../engine/basics/fault.ts";
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import { distserveDecode, distservePrefill } from "./distserve.ts";
import { sarathi } from "./sarathi.ts";
import { byPriority, vllm } from "./vllm.ts";
import { vllmV0 } from "./vllm-v0.ts";
import { vtc } from "./vtc.ts";

const POLICIES: Readonly<Record<string, () => IterationPolicy>> = {
  vllm: () => vllm(),
  "vllm-priority": () => vllm(byPriority),
  "vllm-v0": vllmV0,
  sarathi,
  vtc,
  "distserve-prefill": distservePrefill,
  "distserve-decode": distserveDecode,
};

/** The scenario's schema has refused other names. */
export function iterationPolicy(name: string): IterationPolicy {
  assert(Object.hasOwn(POLICIES, name), `a checked scenario names a policy of iterations: ${name}`);
  return POLICIES[name]();
}
