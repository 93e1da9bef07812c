/** Language models: what serves one in iterations, and the lengths of its prompts and outputs. */
import { z } from "zod";
import { mapping, nonNegative, optionalMapping, valueSchema, wholeBetween } from "./common.ts";

export const ITERATION_POLICIES = ["vllm", "vllm-priority", "vllm-v0", "sarathi"] as const;

const triple = (text: string) =>
  z.tuple([nonNegative.max(1e6), nonNegative.max(1e6), nonNegative.max(1e6)]).describe(text);

const steps = mapping("times of iterations, in ms", {
  prefill: triple("[a, b, c]: a + b × tokens + c × the sum of each prompt's tokens squared"),
  decode: triple("[a, b, c]: a + b × tokens that are looked back on + c × sequences"),
  decodeMany: optionalMapping("other coefficients for many sequences; default: the same", {
    from: wholeBetween(2, 100_000).describe("sequences"),
    decode: triple("as above"),
  }),
  stepMs: nonNegative.max(1e6).default(0).describe("that a processor adds to each iteration"),
  sequenceMs: nonNegative
    .max(1e6)
    .default(0)
    .describe("that a processor adds for each sequence of an iteration"),
});

export const engineSchema = optionalMapping(
  "a language model that an engine serves in iterations, several sequences at once; in place of `service` and `profile`",
  {
    steps,
    policy: z
      .enum(ITERATION_POLICIES)
      .default("vllm")
      .describe(
        "which sequences run in an iteration; vllm: chunks of prompts beside tokens, as vLLM V1; vllm-priority: the same by the pipeline's priority; vllm-v0: prompts first, whole; sarathi: tokens first under the budget",
      ),
    maxSequences: wholeBetween(1, 1024).default(256).describe("that run at once on one replica"),
    maxBatchedTokens: wholeBetween(1, 1_000_000).default(2048).describe("tokens of one iteration"),
    blocks: wholeBetween(1, 10_000_000)
      .optional()
      .describe("blocks of keys and values on one replica; default: more than all sequences need"),
    blockTokens: wholeBetween(1, 4096).default(16).describe("tokens that a block holds"),
    prefixCaching: z
      .boolean()
      .default(false)
      .describe("whether a preempted sequence finds what is left of its freed blocks"),
  },
);

/** The most tokens of a prompt or an output. */
export const MOST_TOKENS = 1_000_000;

export const lengthsSchema = optionalMapping("lengths for a model with `tokens`", {
  prompt: valueSchema.describe("tokens of the prompt, at least 1"),
  output: valueSchema.describe("tokens that the model makes, at least 1"),
  most: wholeBetween(2, MOST_TOKENS)
    .default(4096)
    .describe(
      "prompt and output together: longer draws are cut, first the output, then the prompt",
    ),
});
