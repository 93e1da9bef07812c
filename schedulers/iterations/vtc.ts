/** Virtual token counter: of the clients that wait, the one that has been served the least is next. */
import type { EngineView, IterationPolicy, Sequence } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";
import { fcfs, vllm } from "./vllm.ts";

/** Cost of a token of a prompt, and of one made. */
const [PROMPT, MADE] = [1, 2];

function vtc(): IterationPolicy {
  const counters = new Map<number, number>();
  const counter = (client: number): number => counters.get(client) ?? 0;
  const charge = (client: number, cost: number) => counters.set(client, counter(client) + cost);
  const admitted = new WeakSet<Sequence>();
  let queued: readonly number[] = [];
  let lastToLeave = 0;

  /** Prompts are charged as they are admitted, before the next choice. */
  const admit = ({ shares }: EngineView): void => {
    for (const { sequence } of shares) {
      if (admitted.has(sequence)) continue;
      admitted.add(sequence);
      charge(sequence.client, PROMPT * sequence.promptTokens);
      lastToLeave = sequence.client;
    }
  };
  const first = (view: EngineView): Sequence => {
    admit(view);
    return view.waiting.reduce((a, b) => (counter(b.client) < counter(a.client) ? b : a));
  };
  return {
    name: "vtc",
    plan(view) {
      // A client that comes to an empty queue is lifted to the one that left it last, else to the least of those that wait.
      const level = Math.min(...(queued.length === 0 ? [lastToLeave] : queued).map(counter));
      for (const sequence of view.waiting) {
        if (queued.includes(sequence.client) || admitted.has(sequence)) continue;
        counters.set(sequence.client, Math.max(counter(sequence.client), level));
      }
      vllm({ ...fcfs, first }).plan(view);
      admit(view);
      for (const { sequence, tokens } of view.shares) {
        const { client, promptTokens, made, computed } = sequence;
        if (computed + tokens === promptTokens + made) charge(client, MADE);
      }
      queued = [...new Set(view.waiting.map(({ client }) => client))];
    },
  };
}

export const VTC: IterationDefinition = {
  name: "vtc",
  summary: "as vllm, next of the client that was served the fewest tokens",
  idea: "As `vllm`, but of those that wait the next is of the client with the least virtual counter of tokens, those made twice as dear as those of prompts. A client that comes back is lifted to those that wait. The clients are the pipelines.",
  reads: "Tokens that each pipeline was served, and what `vllm` reads.",
  failsWhen: "SLOs differ: it divides tokens, and knows no deadline.",
  source:
    "Sheng et al., Fairness in serving large language models, OSDI 2024, algorithm 2; weights of section 3.1. Jobs beyond `maxSequences` that wait for an engine do so in the scheduler's order: `weighted-fair` beside it is fair there too.",
  create: vtc,
};
