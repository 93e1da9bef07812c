/** Sends each job to the engine whose memory of keys and values is the least used. */
import { z } from "zod";
import type { Routing } from "../../engine/dispatch/policies.ts";
import { count } from "../rules/parameters.ts";
import { definePolicy } from "../rules/policy-definition.ts";
import { enginesOf } from "./engine-places.ts";

export const leastKv = definePolicy({
  name: "least-kv",
  summary: "the engine whose jobs have the fewest tokens",
  idea: "For language models: the engine whose requests have the fewest tokens to keep, by their prompts and what an answer is expected to have.",
  reads: "Prompts of the requests on each engine.",
  failsWhen:
    "Answers differ much more than prompts, whose length alone is known; or memory is never short.",
  source:
    "Least KV-cache utilisation, of the Gateway API inference extension (kubernetes-sigs, kv-cache scorer, 2025), by count in place of reports.",
  parameters: z.strictObject({
    answerTokens: count(128, "tokens that an answer is expected to have", 1e6),
  }),
  create({ answerTokens }, { system }): Routing {
    /** By replica: tokens of its latest job. */
    const tokens = new Map<number, number>();
    return {
      kind: "immediate",
      needs: "nothing",
      holds: true,
      route(pool, job) {
        const engines = enginesOf(pool, system, (replica) => tokens.get(replica) ?? answerTokens);
        const [best] = engines.filter(({ free }) => free >= 0).sort((a, b) => a.load - b.load);
        if (best === undefined) return -1;
        tokens.set(best.free, (job.prompt?.tokens ?? 0) + answerTokens);
        return best.free;
      },
    };
  },
});
