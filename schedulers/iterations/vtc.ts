/** Virtual token counter: of the clients that wait, the one that has been served the least is next. */
import type { EngineView, IterationPolicy, Sequence } from "../../engine/tokens/token-engine.ts";
import type { IterationDefinition } from "./definition.ts";
import { fcfs, vllm } from "./vllm.ts";

/** Cost of a token of a prompt, and of one made. */
const [PROMPT, MADE] = [1, 2];

function vtc(): IterationPolicy {
  const counters = new Map<number, number>();
  const counter = ({ client }: Pick<Sequence, "client">): number => counters.get(client) ?? 0;
  const charge = (one: Sequence, cost: number) => counters.set(one.client, counter(one) + cost);
  const admitted = new WeakSet<Sequence>();
  let queued: readonly number[] = [];
  let lastToLeave = 0;

  /** A client that comes to an empty queue is lifted to the one that left it last, else to the least of those that wait. */
  const lift = ({ waiting }: EngineView): void => {
    const level =
      queued.length === 0
        ? counter({ client: lastToLeave })
        : Math.min(...queued.map((client) => counter({ client })));
    for (const sequence of waiting) {
      if (queued.includes(sequence.client) || admitted.has(sequence)) continue;
      counters.set(sequence.client, Math.max(counter(sequence), level));
    }
  };
  const least = ({ waiting }: EngineView): Sequence =>
    waiting.reduce((best, one) => (counter(one) < counter(best) ? one : best));
  const base = vllm({ ...fcfs, first: least });
  return {
    name: "vtc",
    plan(view) {
      lift(view);
      base.plan(view);
      for (const { sequence, tokens } of view.shares) {
        if (!admitted.has(sequence)) {
          admitted.add(sequence);
          charge(sequence, PROMPT * sequence.promptTokens);
          lastToLeave = sequence.client;
        }
        const { promptTokens, made, computed } = sequence;
        if (computed + tokens === promptTokens + made) charge(sequence, MADE);
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
    "Sheng et al., Fairness in serving large language models, OSDI 2024, algorithm 2; weights of section 3.1.",
  create: vtc,
};
