/** Language models: what serves one in iterations, and the lengths of its prompts and outputs. */
import { z } from "zod";
import {
  mapping,
  name,
  nonNegative,
  optionalMapping,
  positive,
  valueSchema,
  wholeBetween,
} from "./common.ts";

export const ITERATION_POLICIES = [
  "vllm",
  "vllm-priority",
  "vllm-v0",
  "sarathi",
  "vtc",
  "distserve-prefill",
  "distserve-decode",
] as const;

/** The most tokens of a prompt or an output. */
export const MOST_TOKENS = 1_000_000;

const triple = (text: string) =>
  z.tuple([nonNegative.max(1e6), nonNegative.max(1e6), nonNegative.max(1e6)]).describe(text);

export const stepsSchema = mapping("times of iterations, in ms", {
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
    steps: z
      .union([
        stepsSchema,
        z.string().min(1).describe("file of a step profile, which `import` writes"),
      ])
      .describe("times of iterations"),
    policy: z
      .enum(ITERATION_POLICIES)
      .default("vllm")
      .describe(
        "which sequences run in an iteration; vllm: chunks of prompts beside tokens, as vLLM V1; vllm-priority: the same by the pipeline's priority; vllm-v0: prompts first, whole; sarathi: tokens first under the budget; vtc: as vllm, next of the pipeline that was served the fewest tokens; distserve-prefill and distserve-decode: for a task that another one goes on with, and for that one",
      ),
    maxSequences: wholeBetween(1, 1024).default(256).describe("that run at once on one replica"),
    maxBatchedTokens: wholeBetween(1, 1_000_000).default(2048).describe("tokens of one iteration"),
    blocks: wholeBetween(1, 10_000_000)
      .optional()
      .describe(
        "blocks of keys and values on one replica; default: more than all sequences need, with `prefixCaching` 4,194,304 at most, with `llama` besides as many as its sequences fill",
      ),
    blockTokens: wholeBetween(1, 4096).default(16).describe("tokens that a block holds"),
    prefixCaching: z
      .boolean()
      .default(false)
      .describe(
        "whether a prompt that begins like another uses its blocks, as long as they are kept",
      ),
    llama: optionalMapping("what runs it for real, by llama.cpp on the CPU: `backend: engines`", {
      weights: z
        .string()
        .min(1)
        .describe("a GGUF file, from the scenario's folder on; or smollm2-135m, which is fetched"),
      threads: wholeBetween(1, 64).default(1).describe("that compute an iteration"),
      contextTokens: wholeBetween(8, 1_000_000)
        .default(2048)
        .describe("tokens of one sequence, prompt and output together, at most the model's"),
    }),
    external: optionalMapping(
      "the server that runs it for real, with a scheduler of its own, by OpenAI's completions: `backend: engines`",
      {
        url: z
          .string()
          .regex(/^https?:\/\/\S*[^\s/]$/, "an http address without a slash at its end")
          .describe("before `/v1/completions`"),
        model: z.string().min(1).describe("the model's name there"),
        timeoutS: positive.max(3600).default(60).describe("longest silence within an answer"),
      },
    ),
  },
);

const ofTrace = z
  .string()
  .min(1)
  .describe("of the trace that `workload` plays; each request has its row's");

const lengthSchema = z.union([valueSchema, z.strictObject({ column: ofTrace })]);

const prefixSchema = z.union([
  z.strictObject({
    length: wholeBetween(1, MOST_TOKENS).describe("tokens that all prompts of a group begin with"),
    groups: wholeBetween(1, 1_000_000)
      .default(1)
      .describe("of requests; each request is of one, with equal probability"),
  }),
  z.strictObject({
    column: ofTrace.describe(
      "of the trace: whole numbers with spaces between, one for each `blockTokens` of the prompt from its first; prompts with equal numbers begin with the same tokens up to there",
    ),
    blockTokens: wholeBetween(1, 65_536).default(512),
  }),
]);

const continuationSchema = mapping("goes on with the sequences of another task", {
  from: name.describe(
    "task of `after` whose engine computes the prompt and makes the first token; this one makes the others",
  ),
  kvBytesPerToken: nonNegative
    .max(1e9)
    .default(0)
    .describe("keys and values of the prompt that go to this task's replica over its link"),
});

const lengthsSchema = mapping("lengths of prompts and outputs", {
  prompt: lengthSchema.describe("tokens of the prompt, at least 1"),
  outputsOf: z
    .array(name)
    .default([])
    .describe("earlier tasks whose outputs the prompt holds besides, where their own `when` holds"),
  output: lengthSchema.describe("tokens that the model makes, at least 1"),
  prefix: prefixSchema
    .optional()
    .describe("first tokens that prompts share, for a model with `prefixCaching`; default: none"),
  most: wholeBetween(2, MOST_TOKENS)
    .default(4096)
    .describe(
      "prompt and output together: longer draws and rows of a trace are cut, first the output, then the prompt",
    ),
});

export const taskTokensSchema = z
  .union([lengthsSchema, continuationSchema])
  .optional()
  .describe("for a model with `tokens`: lengths, or the task whose sequences it goes on with");

export type LengthsDocument = z.infer<typeof lengthsSchema>;
