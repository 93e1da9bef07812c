/** vLLM's second scheduler (V1): what runs goes on, prompts in chunks; what waits gets the tokens that are left. */
import type { EngineView, IterationPolicy, Sequence } from "../../engine/tokens/token-engine.ts";

type Order = "fcfs" | "priority";

/**
 * A sequence is admitted where its whole prompt finds blocks, so that prompts in chunks do not preempt each other.
 * Source: vllm-project/vllm, v1/core/sched/scheduler.py, `schedule` (`scheduler_reserve_full_isl`, on by default).
 */
export function vllm(order: Order = "fcfs"): IterationPolicy {
  return {
    name: "vllm",
    plan(view) {
      let preempted = false;
      for (const sequence of [...view.running]) {
        if (view.tokensLeft === 0) break;
        if (!sequence.isRunning) continue;
        const tokens = Math.min(view.due(sequence), view.tokensLeft);
        while (sequence.isRunning && !view.take(sequence, tokens)) {
          view.preempt(last(view, order));
          preempted = true;
        }
      }
      if (preempted) return;
      while (view.tokensLeft > 0 && view.waiting.length > 0) {
        const next = first(view, order);
        const due = view.due(next);
        if (view.blocksFor(next, due) > view.freeBlocks) return;
        if (!view.take(next, Math.min(due, view.tokensLeft))) return;
      }
    },
  };
}

/** The least urgent of those that run, the latest on equal terms. */
function last({ running }: EngineView, order: Order): Sequence {
  if (order === "fcfs") return running[running.length - 1];
  return running.reduce((worst, one) => (one.priority <= worst.priority ? one : worst));
}

/** The most urgent of those that wait, the earliest on equal terms. */
function first({ waiting }: EngineView, order: Order): Sequence {
  if (order === "fcfs") return waiting[0];
  return waiting.reduce((best, one) => (one.priority > best.priority ? one : best));
}
