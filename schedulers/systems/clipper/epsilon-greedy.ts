/** ε-greedy: the variant with the least losses, and now and then any. */
import { z } from "zod";
import type { RandomStream } from "../../../engine/random/stream.ts";
import { within } from "../../rules/parameters.ts";
import { definePolicy, type SelectionContext } from "../../rules/policy-definition.ts";
import { FEEDBACK, learning, type Selector } from "./selection.ts";

/** The arm of the least mean loss so far, and now and then any; an arm without losses has 0. */
export class EpsilonGreedy implements Selector {
  readonly #epsilon: number;
  readonly #losses: number[] = [];
  readonly #counts: number[] = [];

  constructor(epsilon: number) {
    this.#epsilon = epsilon;
  }

  choose(arms: readonly number[], rng: RandomStream): number {
    return rng.uniform() < this.#epsilon ? arms[rng.integer(arms.length)] : this.#best(arms);
  }

  chanceOf(arm: number, arms: readonly number[]): number {
    const explored = this.#epsilon / arms.length;
    return arm === this.#best(arms) ? 1 - this.#epsilon + explored : explored;
  }

  learn(arm: number, loss: number): void {
    this.#losses[arm] = (this.#losses[arm] ?? 0) + loss;
    this.#counts[arm] = (this.#counts[arm] ?? 0) + 1;
  }

  #best(arms: readonly number[]): number {
    const mean = (arm: number): number =>
      (this.#losses[arm] ?? 0) / Math.max(1, this.#counts[arm] ?? 0);
    return arms.reduce((best, arm) => (mean(arm) < mean(best) ? arm : best));
  }
}

export const epsilonGreedy = definePolicy({
  name: "epsilon-greedy",
  summary: "the variant whose answers were wrong least often, and now and then any",
  idea: "Take the variant of the least mean loss so far; with probability ε take any of them.",
  reads: FEEDBACK,
  failsWhen:
    "Variants are alike and many: it goes on exploring with ε. Accuracies change: the mean over all time follows slowly.",
  source: "Clipper's code (ucbrise/clipper, selection policies), with its ε.",
  parameters: z.strictObject({
    epsilon: within(0, 1, 0.1, "share of choices that explore"),
  }),
  create: ({ epsilon }, context: SelectionContext) => learning(new EpsilonGreedy(epsilon), context),
});
