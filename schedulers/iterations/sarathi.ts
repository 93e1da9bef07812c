/** Sarathi-Serve: all that makes tokens first, then one prompt after the other in chunks of what the budget leaves. */
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";
import { admit } from "./vllm.ts";

function sarathi(): IterationPolicy {
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
      if (!preempted) admit(view);
    },
  };
}

export const SARATHI: IterationDefinition = {
  name: "sarathi",
  summary: "tokens first, then prompts in chunks of what the budget leaves",
  idea: "All that makes tokens goes on, then the prompts that have begun, then those that wait, in chunks of what the budget of an iteration leaves: decodes never wait for prompts, and no iteration is longer than the budget allows.",
  reads: "Tokens that sequences still have to compute, and free blocks.",
  failsWhen:
    "The budget is guessed: small, prompts take many iterations; large, each delays the tokens beside it.",
  source:
    "Agrawal et al., Taming throughput-latency tradeoff in LLM inference with Sarathi-Serve, OSDI 2024, algorithm 3.",
  create: sarathi,
};
