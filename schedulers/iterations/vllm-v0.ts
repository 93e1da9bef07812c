/** vLLM's first scheduler (V0): prompts first, whole and without others; else all that runs makes a token. */
import type { IterationPolicy } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";

/** The share of blocks that an admission leaves free. */
const WATERMARK = 0.01;

function vllmV0(): IterationPolicy {
  return {
    name: "vllm-v0",
    whole: true,
    plan(view) {
      let admitted = false;
      while (view.waiting.length > 0) {
        const [next] = view.waiting;
        const due = view.due(next);
        const left = view.freeBlocks - view.blocksFor(next, due);
        const reserve = view.running.length === 0 ? 0 : WATERMARK * view.blocks;
        if (due > view.tokensLeft || left < reserve) break;
        if (!view.take(next, due)) break;
        admitted = true;
      }
      if (admitted) return;
      for (const sequence of [...view.running]) {
        while (sequence.isRunning && !view.take(sequence, 1)) {
          view.preempt(view.running[view.running.length - 1]);
        }
      }
    },
  };
}

export const VLLM_V0: IterationDefinition = {
  name: "vllm-v0",
  summary: "prompts first, whole; else all that runs makes a token",
  idea: "An iteration has as many whole prompts as its tokens and the blocks allow, but for a watermark; where none fits, all that runs makes a token.",
  reads: "Prompts of those that wait, and free blocks.",
  failsWhen: "Prompts come often: each stops all tokens for as long as it takes.",
  source:
    "The source of vLLM 0.4 (vllm-project/vllm), core/scheduler.py, `_schedule`, and `watermark` of core/block_manager.py.",
  create: vllmV0,
};
