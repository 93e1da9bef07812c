/**
 * Exp3 and Exp4: variants by weights that fall with their losses.
 *
 *   p_i = s_i / Σ s        a loss of i:  s_i := s_i · e^(−η loss / p_i);  Exp4, whose variants all answer:  s_i · e^(−η loss)
 *
 * Source: Crankshaw et al., Clipper, NSDI 2017, sections 5.1 (Exp3) and 5.2 (Exp4, confidence); Auer, Cesa-Bianchi, Freund and
 * Schapire, "The nonstochastic multiarmed bandit problem", SIAM J. Comput. 32(1), 2002.
 */
import { z } from "zod";
import type { Selection } from "../../../engine/dispatch/policies.ts";
import { exponentiate } from "../../../engine/random/elementary-functions.ts";
import type { RandomStream } from "../../../engine/random/stream.ts";
import { amount } from "../../rules/parameters.ts";
import { definePolicy, type SelectionContext } from "../../rules/policy-definition.ts";
import { FEEDBACK, learning, readyOf, type Selector } from "./selection.ts";

/** Smaller differences of logarithms make no chance in any run. */
const LEAST_EXPONENT = -600;

/**
 * Exp3: one arm a time; a loss counts the more the less probable its arm was, so that no arm is favoured.
 * With a chance of 1 for every arm, Exp4: all answer and learn, and the weighted vote counts.
 */
export class Exponential implements Selector {
  readonly #eta: number;
  /** By arm: the logarithm of its weight e^(−η × losses), so that none becomes 0. */
  readonly #logs: number[] = [];

  constructor(eta: number) {
    this.#eta = eta;
  }

  choose(arms: readonly number[], rng: RandomStream): number {
    const shares = this.shares(arms);
    let left = rng.uniform();
    for (let i = 0; i < arms.length - 1; i++) {
      left -= shares[i];
      if (left < 0) return arms[i];
    }
    return arms[arms.length - 1];
  }

  chanceOf(arm: number, arms: readonly number[]): number {
    return this.shares(arms)[arms.indexOf(arm)];
  }

  learn(arm: number, loss: number, chance: number): void {
    this.#logs[arm] = (this.#logs[arm] ?? 0) - this.#eta * (loss / chance);
  }

  /** The weight of each arm; their sum is 1. */
  shares(arms: readonly number[]): readonly number[] {
    const logs = arms.map((arm) => this.#logs[arm] ?? 0);
    const most = Math.max(...logs);
    const weights = Float64Array.from(logs, (log) => Math.max(LEAST_EXPONENT, log - most));
    exponentiate(weights, 1, 0);
    const sum = weights.reduce((all, weight) => all + weight, 0);
    return Array.from(weights, (weight) => weight / sum);
  }
}

const learningRate = z.strictObject({
  eta: amount(0.01, "learning rate η", 10),
});

export const exp3 = definePolicy({
  name: "exp3",
  summary: "a variant at random, the more probably the fewer of its answers were wrong",
  idea: "Draw a variant by weight; a wrong answer multiplies the weight of its variant by e^(−η loss / p), p being the chance that it was drawn with, so that rarely drawn variants are judged as fairly as others.",
  reads: FEEDBACK,
  failsWhen:
    "Nobody gives feedback: all variants stay equally probable. It looks at no queue, so a slow accurate variant is overloaded.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 5.1, with the learning rate of its code; Auer et al., SIAM J. Comput. 32(1), 2002.",
  parameters: learningRate,
  create: ({ eta }, context: SelectionContext) => learning(new Exponential(eta), context),
});

export const exp4 = definePolicy({
  name: "exp4",
  summary:
    "all variants of an ensemble, whose votes count the more the fewer of their answers were wrong",
  idea: "Ask every variant that has a replica; each wrong answer multiplies the weight of its variant's vote by e^(−η loss). The label with the most weight is the answer, and its share of the weight the confidence. On a task without `ensemble`, draw one variant by weight.",
  reads: FEEDBACK,
  failsWhen:
    "Nobody gives feedback: all votes stay equal. Each request costs the work of all variants, and is as slow as the slowest without a deadline for stragglers (`join-deadline`). Variants err together: they agree on what is wrong. After thousands of losses one variant has nearly all the weight: votes that err apart were worth more when equal, and the confidence says little.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 5.2, with the learning rate of its code; Auer et al., SIAM J. Comput. 32(1), 2002. Ours: confidence is the agreeing share of the weight, where Clipper counts models.",
  parameters: learningRate,
  create: ({ eta }, { rng }: SelectionContext): Selection => {
    const selector = new Exponential(eta);
    const stream = rng();
    return {
      choose: (_job, among, view) => selector.choose(readyOf(among, view), stream),
      ask: (_job, among, view) => readyOf(among, view),
      shares: (asked) => selector.shares(asked),
      fed: (_request, pool, loss) => selector.learn(pool, loss, 1),
    };
  },
});
