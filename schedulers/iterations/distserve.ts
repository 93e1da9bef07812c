/** DistServe: prompts and tokens on engines of their own, each first come, first served. */
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";

/** Whole prompts together, as many as the tokens of an iteration and the blocks allow. */
function distservePrefill(): IterationPolicy {
  return {
    name: "distserve-prefill",
    whole: true,
    plan(view) {
      while (view.waiting.length > 0) {
        const [next] = view.waiting;
        const due = view.due(next);
        if (due > view.tokensLeft || !view.take(next, due)) return;
      }
    },
  };
}

/** All that runs makes a token; what has come from the other pool joins where its blocks find room. */
function distserveDecode(): IterationPolicy {
  return {
    name: "distserve-decode",
    plan(view) {
      for (const sequence of [...view.running]) {
        const take = () => view.take(sequence, Math.min(view.due(sequence), view.tokensLeft));
        while (sequence.isRunning && !take()) view.preempt(view.running[view.running.length - 1]);
      }
      while (view.waiting.length > 0 && view.tokensLeft > 0) {
        const [next] = view.waiting;
        if (!view.take(next, Math.min(view.due(next), view.tokensLeft))) return;
      }
    },
  };
}

const BOTH = {
  reads: "Prompts of those that wait, and free blocks.",
  failsWhen:
    "One of the two pools is short of engines while the other idles, or the link between them is slow.",
  source:
    "Zhong et al., DistServe, OSDI 2024, section 4.3: decode pulls, so that prefill keeps what it has no room for.",
};

export const DISTSERVE_PREFILL: IterationDefinition = {
  ...BOTH,
  name: "distserve-prefill",
  summary: "for the engines of prompts: whole prompts together, first come, first served",
  idea: "As many whole prompts together as the tokens of an iteration and the blocks allow. The first token is made here, the others on the engines of `distserve-decode`.",
  create: distservePrefill,
};

export const DISTSERVE_DECODE: IterationDefinition = {
  ...BOTH,
  name: "distserve-decode",
  summary: "for the engines of tokens: all that runs makes one",
  idea: "All that runs makes a token; a sequence whose prompt is computed joins where its blocks find room.",
  create: distserveDecode,
};
