/** DistServe: prompts and tokens on engines of their own, each first come, first served. */
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";

/** Whole prompts together, as many as the tokens of an iteration and the blocks allow. */
export function distservePrefill(): IterationPolicy {
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

/**
 * All that runs makes a token; what has come from the other pool joins where its blocks find room.
 * Source: Zhong et al., "DistServe", OSDI 2024, section 4.3: decode pulls, so that prefill keeps what it has no room for.
 */
export function distserveDecode(): IterationPolicy {
  return {
    name: "distserve-decode",
    plan(view) {
      for (const sequence of [...view.running]) {
        while (
          sequence.isRunning &&
          !view.take(sequence, Math.min(view.due(sequence), view.tokensLeft))
        ) {
          view.preempt(view.running[view.running.length - 1]);
        }
      }
      while (view.waiting.length > 0 && view.tokensLeft > 0) {
        const [next] = view.waiting;
        if (!view.take(next, Math.min(view.due(next), view.tokensLeft))) return;
      }
    },
  };
}
