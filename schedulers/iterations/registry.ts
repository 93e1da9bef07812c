/** The policies of iterations by name, as `models.NAME.tokens.policy` has them. */
import { assert } from "../../engine/basics/fault.ts";
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import { sarathi } from "./sarathi.ts";
import { vllm } from "./vllm.ts";
import { vllmV0 } from "./vllm-v0.ts";

const POLICIES: Readonly<Record<string, () => IterationPolicy>> = {
  vllm: () => vllm(),
  "vllm-priority": () => vllm("priority"),
  "vllm-v0": vllmV0,
  sarathi,
};

/** The scenario's schema has refused other names. */
export function iterationPolicy(name: string): IterationPolicy {
  assert(Object.hasOwn(POLICIES, name), `a checked scenario names a policy of iterations: ${name}`);
  return POLICIES[name]();
}
