/** vLLM's scheduler with priorities: the most urgent sequence is next, and the least urgent is preempted. */
import type { IterationDefinition } from "./definition.ts";
import { type Order, VLLM, vllm } from "./vllm.ts";

/** The most urgent, the earliest on equal terms; the least urgent, the latest on equal terms. */
const byPriority: Order = {
  first: ({ waiting }) =>
    waiting.reduce((best, one) => (one.priority > best.priority ? one : best)),
  last: ({ running }) =>
    running.reduce((worst, one) => (one.priority <= worst.priority ? one : worst)),
};

export const VLLM_PRIORITY: IterationDefinition = {
  ...VLLM,
  name: "vllm-priority",
  summary: "as vllm, the most urgent first, and the least urgent preempted",
  idea: "As `vllm`, but of those that wait the one of the highest priority is next, and of those that run one of the lowest is preempted.",
  reads: "Priorities of pipelines, and what `vllm` reads.",
  failsWhen:
    "The urgent ones alone fill the engine: the others starve. Jobs beyond `maxSequences` that wait for an engine do so in the scheduler's order: give it `ordering: priority` besides, or under overload the urgent wait as long as the others.",
  source: "The same with `--scheduling-policy priority`.",
  create: () => vllm(byPriority),
};
