/** A policy of the iterations of language models: in words, and as made. */
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import type { Wording } from "../rules/policy-definition.ts";

export interface IterationDefinition extends Wording {
  create(): IterationPolicy;
}
