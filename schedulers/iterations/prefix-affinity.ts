/** Sends prompts that begin alike to the engine that had such ones before. */
import { z } from "zod";
import type { Routing } from "../../engine/dispatch/policies.ts";
import { count, within } from "../rules/parameters.ts";
import { definePolicy } from "../rules/policy-definition.ts";
import { enginesOf, memoryOf, sharedContents } from "./engine-places.ts";

export const prefixAffinity = definePolicy({
  name: "prefix-affinity",
  summary: "the engine that has most of a prompt's first blocks",
  idea: "For language models: the engine that was sent most of the prompt's first blocks lately, as many blocks as it has room for; on equal terms the one with the fewest requests, then the one with the fewest such blocks. An engine with more than `imbalance` times as many requests as the least loaded one, and `slack` more, takes none.",
  reads: "Requests on each engine; the first tokens of prompts that it was sent.",
  failsWhen:
    "No prompts begin alike, or engines keep no blocks (`prefixCaching`): it balances requests, not tokens.",
  source:
    "The cache-aware policy of SGLang's router (sgl-project/sglang, sgl-router, 2024), with engines' memory in place of its tree's size.",
  parameters: z.strictObject({
    imbalance: within(1, 100, 1.5, "times the least loaded engine's requests that it may have"),
    slack: count(8, "requests that it may have besides", 10_000, 0),
  }),
  create({ imbalance, slack }, { system }): Routing {
    /** By slot: contents of blocks that the engine is taken to keep, those used last at the end. */
    const keptAt = new Map<number, Set<number>>();
    return {
      kind: "immediate",
      needs: "nothing",
      holds: true,
      route(pool, job) {
        const open = enginesOf(pool, system, () => 1).filter(({ free }) => free >= 0);
        const most = Math.min(...open.map(({ load }) => load)) * imbalance + slack;
        const [best] = open
          .filter(({ load }) => load <= most)
          .map((engine) => {
            const contents = sharedContents(system, job, memoryOf(system, engine.slot).blockTokens);
            const kept = keptAt.get(engine.slot) ?? new Set();
            const missing = contents.findIndex((content) => !kept.has(content));
            return { ...engine, contents, kept, found: missing < 0 ? contents.length : missing };
          })
          .sort((a, b) => b.found - a.found || a.load - b.load || a.kept.size - b.kept.size);
        if (best === undefined) return -1;
        // The last blocks of a prompt are of use only with the first.
        for (const content of best.contents.toReversed()) {
          best.kept.delete(content);
          best.kept.add(content);
        }
        for (const content of best.kept) {
          if (best.kept.size <= memoryOf(system, best.slot).blocks) break;
          best.kept.delete(content);
        }
        keptAt.set(best.slot, best.kept);
        return best.free;
      },
    };
  },
});
