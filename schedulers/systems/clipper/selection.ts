/**
 * Choice among the variants of a model (arms) from feedback: a rule that selects variants keeps
 * one selector for each model, gives it the arms that serve now and a stream of chance, and passes on
 * the losses that it hears (`Controller.fed`).
 *
 * Source: Crankshaw et al., Clipper, NSDI 2017, section 5.1 (Exp3) and 5.2 (Exp4, confidence, stragglers);
 * Auer, Cesa-Bianchi, Freund and Schapire, "The nonstochastic multiarmed bandit problem", SIAM J. Comput.
 * 32(1), 2002.
 */
import { z } from "zod";
import type { Selection, VariantsView } from "../../../engine/dispatch/policies.ts";
import { exponentiate } from "../../../engine/random/elementary-functions.ts";
import type { RandomStream } from "../../../engine/random/stream.ts";
import { definePolicy, positive, type SelectionContext } from "../../rules/policy-definition.ts";

/** Arms are small whole numbers. */
export interface Selector {
  /** One of the arms. */
  choose(arms: readonly number[], rng: RandomStream): number;
  /** The probability with which `choose` takes the arm now. */
  chanceOf(arm: number, arms: readonly number[]): number;
  /**
   * The answer of an arm was wrong by so much, 0..1. `chance` is the one that it was chosen with: note
   * it where feedback comes after further choices.
   */
  learn(arm: number, loss: number, chance: number): void;
}

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

/**
 * Chances are noted by the request's slot. A slot may serve another request before late feedback comes;
 * the chance is then that of a later choice of the same variant, which has hardly changed since.
 */
function learning(selector: Selector, { rng }: SelectionContext): Selection {
  const stream = rng();
  /** By slot: the variant and the chance that it had. */
  const chosen = new Map<number, { readonly pool: number; readonly chance: number }>();
  let last: readonly number[] = [];
  return {
    choose: ({ request }, among, view) => {
      last = readyOf(among, view);
      const pool = selector.choose(last, stream);
      chosen.set(request, { pool, chance: selector.chanceOf(pool, last) });
      return pool;
    },
    fed: (request, pool, loss) => {
      const noted = chosen.get(request);
      const arms = last.includes(pool) ? last : [...last, pool];
      const chance = noted?.pool === pool ? noted.chance : selector.chanceOf(pool, arms);
      selector.learn(pool, loss, chance);
    },
  };
}

/** Those with a replica; all where none has one. */
function readyOf(among: readonly number[], view: VariantsView): readonly number[] {
  const ready = among.filter((pool) => view.readyOf(pool) > 0);
  return ready.length > 0 ? ready : among;
}

const learningRate = z.strictObject({
  eta: positive(10).default(0.01).describe("learning rate η"),
});
const reads = "Feedback on answers (`POST /v1/feedback`; drawn from accuracies in the simulator).";

export const exp3 = definePolicy({
  name: "exp3",
  summary: "a variant at random, the more probably the fewer of its answers were wrong",
  idea: "Draw a variant by weight; a wrong answer multiplies the weight of its variant by e^(−η loss / p), p being the chance that it was drawn with, so that rarely drawn variants are judged as fairly as others.",
  reads,
  failsWhen:
    "Nobody gives feedback: all variants stay equally probable. It looks at no queue, so a slow accurate variant is overloaded.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 5.1, with the learning rate of its code; Auer et al., SIAM J. Comput. 32(1), 2002.",
  parameters: learningRate,
  create: ({ eta }, context: SelectionContext) => learning(new Exponential(eta), context),
});

export const epsilonGreedy = definePolicy({
  name: "epsilon-greedy",
  summary: "the variant whose answers were wrong least often, and now and then any",
  idea: "Take the variant of the least mean loss so far; with probability ε take any of them.",
  reads,
  failsWhen:
    "Variants are alike and many: it goes on exploring with ε. Accuracies change: the mean over all time follows slowly.",
  source: "Clipper's code (ucbrise/clipper, selection policies), with its ε.",
  parameters: z.strictObject({
    epsilon: z.number().min(0).max(1).default(0.1).describe("share of choices that explore"),
  }),
  create: ({ epsilon }, context: SelectionContext) => learning(new EpsilonGreedy(epsilon), context),
});

export const exp4 = definePolicy({
  name: "exp4",
  summary:
    "all variants of an ensemble, whose votes count the more the fewer of their answers were wrong",
  idea: "Ask every variant that has a replica; each wrong answer multiplies the weight of its variant's vote by e^(−η loss). The label with the most weight is the answer, and its share of the weight the confidence. On a task without `ensemble`, draw one variant by weight.",
  reads,
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

export const allVariants = definePolicy({
  name: "all-variants",
  summary: "all variants of an ensemble, with equal votes",
  idea: "Ask every variant that has a replica; the label that most of them give is the answer. On a task without `ensemble`, take the first that has a replica.",
  reads: "Which variants have a replica.",
  failsWhen: "Some variants are much worse than others: their votes count as much.",
  source: "None needed: the majority vote that Clipper's Exp4 starts from.",
  create: (_, _context: SelectionContext): Selection => ({
    choose: (_job, among, view) => readyOf(among, view)[0],
    ask: (_job, among, view) => readyOf(among, view),
  }),
});
