/** vLLM's second scheduler (V1): what runs goes on, prompts in chunks; what waits gets the tokens that are left. */
import type { EngineView, IterationPolicy, Sequence } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";

/** Picks the next of those that wait, and the one to preempt of those that run. */
export interface Order {
  readonly first: (view: EngineView) => Sequence;
  readonly last: (view: EngineView) => Sequence;
}

export const fcfs: Order = {
  first: ({ waiting }) => waiting[0],
  last: ({ running }) => running[running.length - 1],
};

/** Those that wait get the tokens that are left, while blocks last. */
export function admit(view: EngineView, { first }: Order = fcfs): void {
  while (view.tokensLeft > 0 && view.waiting.length > 0) {
    const next = first(view);
    const due = view.due(next);
    if (view.blocksFor(next, due) > view.freeBlocks) return;
    if (!view.take(next, Math.min(due, view.tokensLeft))) return;
  }
}

/**
 * A sequence is admitted where its whole prompt finds blocks, so that prompts in chunks do not preempt each other.
 * Source: vllm-project/vllm, v1/core/sched/scheduler.py, `schedule` (`scheduler_reserve_full_isl`, on by default).
 */
export function vllm(order: Order = fcfs): IterationPolicy {
  return {
    name: "vllm",
    plan(view) {
      let preempted = false;
      for (const sequence of [...view.running]) {
        if (view.tokensLeft === 0) break;
        if (!sequence.isRunning) continue;
        const tokens = Math.min(view.due(sequence), view.tokensLeft);
        while (sequence.isRunning && !view.take(sequence, tokens)) {
          view.preempt(order.last(view));
          preempted = true;
        }
      }
      if (!preempted) admit(view, order);
    },
  };
}

export const VLLM: IterationDefinition = {
  name: "vllm",
  summary: "what runs goes on; prompts in chunks of what the budget leaves",
  idea: "All that runs goes on in order of arrival, with a token or the next chunk of its prompt; the tokens that are left go to those that wait, the first first. Where blocks run out, the last to come is preempted, and computed anew.",
  reads: "Tokens that sequences still have to compute, and free blocks.",
  failsWhen:
    "Prompts are long and many: their chunks fill iterations, which tokens wait for. Blocks are few: sequences preempt one another.",
  source:
    "The source of vLLM (vllm-project/vllm), v1/core/sched/scheduler.py, with `scheduler_reserve_full_isl`, which is on by default.",
  create: () => vllm(),
};
