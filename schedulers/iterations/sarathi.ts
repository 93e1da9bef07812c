/** Sarathi-Serve: all that makes tokens first, then one prompt after the other in chunks of what the budget leaves. */
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";

/**
 * Decodes never wait for prompts, so no iteration is longer than the token budget allows.
 * Source: Agrawal et al., "Taming throughput-latency tradeoff in LLM inference with Sarathi-Serve", OSDI 2024, algorithm 3.
 */
export function sarathi(): IterationPolicy {
  return {
    name: "sarathi",
    plan(view) {
      let preempted = false;
      const take = (decodes: boolean): void => {
        for (const sequence of [...view.running]) {
          if (view.tokensLeft === 0) return;
          const due = view.due(sequence);
          if (!sequence.isRunning || (due === 1) !== decodes) continue;
          const tokens = Math.min(due, view.tokensLeft);
          while (sequence.isRunning && !view.take(sequence, tokens)) {
            view.preempt(view.running[view.running.length - 1]);
            preempted = true;
          }
        }
      };
      take(true);
      take(false);
      while (!preempted && view.tokensLeft > 0 && view.waiting.length > 0) {
        const [next] = view.waiting;
        const due = view.due(next);
        if (view.blocksFor(next, due) > view.freeBlocks) return;
        if (!view.take(next, Math.min(due, view.tokensLeft))) return;
      }
    },
  };
}
