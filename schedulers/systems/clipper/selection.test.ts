/** Selection among arms: the regret of each selector against its bound. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../../../engine/random/stream.ts";
import { EpsilonGreedy } from "./epsilon-greedy.ts";
import { Exponential } from "./exponential-weights.ts";
import type { Selector } from "./selection.ts";

type Losses = (round: number, rng: RandomStream) => readonly number[];

const ROUNDS = 10_000;
const SEEDS = 6;
/** Bernoulli losses. */
const bandit =
  (rates: readonly number[]): Losses =>
  (_, rng) =>
    rates.map((rate) => (rng.uniform() < rate ? 1 : 0));

/** The loss of the arms chosen beyond that of the best single one, mean over seeds. */
function regretOf(create: () => Selector, losses: Losses, arms: number): number {
  const all = Array.from({ length: arms }, (_, arm) => arm);
  const regrets = Array.from({ length: SEEDS }, (_, seed) => {
    const [chance, world] = ["choice", "world"].map((name) => new RandomStream(`${seed}`, name));
    const selector = create();
    const sums = new Array<number>(arms).fill(0);
    let own = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const each = losses(round, world);
      const arm = selector.choose(all, chance);
      selector.learn(arm, each[arm], selector.chanceOf(arm, all));
      own += each[arm];
      for (const other of all) sums[other] += each[other];
    }
    return own - Math.min(...sums);
  });
  return regrets.reduce((sum, regret) => sum + regret, 0) / SEEDS;
}

describe("Exp3", () => {
  const rates = [0.5, 0.4, 0.3, 0.5];
  /** Bubeck and Cesa-Bianchi, 2012, theorem 3.1: ln K / η + η n K / 2. */
  const boundOf = (eta: number, arms: number): number =>
    Math.log(arms) / eta + (eta * ROUNDS * arms) / 2;
  const bestEta = Math.sqrt((2 * Math.log(4)) / (ROUNDS * 4));

  test.each([
    ["Clipper's learning rate", 0.01],
    ["the best for these rounds", bestEta],
  ])("keeps its regret below the bound on a bandit, with %s", (_, eta) => {
    const regret = regretOf(() => new Exponential(eta), bandit(rates), 4);
    expect(regret).toBeGreaterThan(0);
    expect(regret).toBeLessThan(boundOf(eta, 4));
    // A choice at random loses 0.125 a round.
    expect(regret).toBeLessThan((0.125 * ROUNDS) / 3);
  });

  test("does so too where the best arm fails half-way", () => {
    const turning: Losses = (round, rng) =>
      bandit(round < ROUNDS / 2 ? [0.1, 0.4, 0.5, 0.5] : [0.9, 0.4, 0.5, 0.5])(round, rng);
    expect(regretOf(() => new Exponential(bestEta), turning, 4)).toBeLessThan(boundOf(bestEta, 4));
  });

  test("multiplies a weight by e^(−η loss / p), exactly", () => {
    const selector = new Exponential(0.5);
    expect(selector.chanceOf(0, [0, 1])).toBe(0.5);
    selector.learn(0, 1, 0.5);
    expect(selector.chanceOf(0, [0, 1])).toBeCloseTo(Math.exp(-1) / (1 + Math.exp(-1)), 14);
    // Only arms that serve now count; an untried arm has the first weight.
    expect(selector.chanceOf(0, [0, 2, 7])).toBeCloseTo(Math.exp(-1) / (2 + Math.exp(-1)), 14);
    expect(selector.chanceOf(0, [0])).toBe(1);
  });

  test("stays a distribution however much an arm loses", () => {
    const selector = new Exponential(1);
    for (let i = 0; i < 5000; i++) selector.learn(1, 1, 0.01);
    expect(selector.chanceOf(0, [0, 1])).toBe(1);
    expect(selector.chanceOf(1, [0, 1])).toBeGreaterThan(0);
    expect(selector.choose([0, 1], new RandomStream("1", "choice"))).toBe(0);
  });
});

test("Exp4's weighted loss exceeds the best arm's by ln K / η + η n / 8 at most, for any losses", () => {
  const loss = fc.double({ min: 0, max: 1, noNaN: true });
  const rounds = fc.array(fc.tuple(loss, loss, loss), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(rounds, fc.constantFrom(0.01, 0.1, 1), (losses, eta) => {
      const arms = [0, 1, 2];
      const selector = new Exponential(eta);
      const sums = [0, 0, 0];
      let own = 0;
      for (const each of losses) {
        own += selector.shares(arms).reduce((sum, share, arm) => sum + share * each[arm], 0);
        for (const arm of arms) {
          selector.learn(arm, each[arm], 1);
          sums[arm] += each[arm];
        }
      }
      const bound = Math.log(3) / eta + (eta * losses.length) / 8;
      expect(own - Math.min(...sums)).toBeLessThanOrEqual(bound + 1e-9);
    }),
  );
});

test("ε-greedy explores with its share and takes the best arm else", () => {
  const selector = new EpsilonGreedy(0.2);
  [0.5, 0.1, 0.3].forEach((loss, arm) => {
    selector.learn(arm, loss);
  });
  const rng = new RandomStream("1", "choice");
  const counts = [0, 0, 0];
  for (let i = 0; i < 30_000; i++) counts[selector.choose([0, 1, 2], rng)]++;
  counts.forEach((count, arm) => {
    const chance = selector.chanceOf(arm, [0, 1, 2]);
    expect(chance).toBeCloseTo(arm === 1 ? 0.8 + 0.2 / 3 : 0.2 / 3, 12);
    const deviation = Math.sqrt(30_000 * chance * (1 - chance));
    expect(Math.abs(count - 30_000 * chance)).toBeLessThan(4 * deviation);
  });
  expect(selector.chanceOf(2, [0, 2])).toBeCloseTo(0.9, 12);
  const regret = regretOf(() => new EpsilonGreedy(0.1), bandit([0.5, 0.4, 0.3, 0.5]), 4);
  // It goes on exploring: ε times the mean gap, 0.125, in every round.
  expect(regret).toBeGreaterThan(0.1 * 0.125 * ROUNDS * 0.8);
  expect(regret).toBeLessThan(0.1 * 0.125 * ROUNDS * 2);
});

test("the same seed makes the same choices", () => {
  for (const create of [() => new Exponential(0.01), () => new EpsilonGreedy(0.1)]) {
    const choices = (seed: string): number[] => {
      const rng = new RandomStream(seed, "choice");
      const selector = create();
      return Array.from({ length: 50 }, () => {
        const arm = selector.choose([0, 1, 2], rng);
        selector.learn(arm, arm / 2, selector.chanceOf(arm, [0, 1, 2]));
        return arm;
      });
    };
    expect(choices("1")).toEqual(choices("1"));
    expect(choices("1")).not.toEqual(choices("2"));
  }
});
