/**
 * Choice among the variants of a model (arms) from feedback. Pure: a rule that selects variants keeps
 * one selector for each model, gives it the arms that serve now and a stream of chance, and passes on
 * the losses that it hears (`Controller.fed`).
 *
 * Source: Crankshaw et al., Clipper, NSDI 2017, section 5.1 (Exp3) and 5.2 (Exp4, confidence, stragglers);
 * Auer, Cesa-Bianchi, Freund and Schapire, "The nonstochastic multiarmed bandit problem", SIAM J. Comput.
 * 32(1), 2002.
 */
import { exponentiate } from "../../../core/random/elementary-functions.ts";
import type { RandomStream } from "../../../core/random/stream.ts";

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
