/**
 * Markov-modulated Poisson process: the rate follows a chain of states with exponential stays. It
 * starts in its steady state. Source: Fischer & Meier-Hellstern, "The Markov-modulated Poisson process
 * (MMPP) cookbook", Performance Evaluation 18(2), 1993.
 */
import { RandomStream } from "../random/stream.ts";
import type { TimeOf } from "./rescaled.ts";

export interface ModulatingState {
  readonly ratePerS: number;
  /** Mean of a stay. */
  readonly meanS: number;
}

/** `transitions[i][j]` is the probability that a stay in i leads to j; rows add up to 1. */
export function mmppTimeOf(
  states: readonly ModulatingState[],
  transitions: readonly (readonly number[])[],
  seed: string,
): TimeOf {
  const stream = new RandomStream(seed, "arrivals/states");
  const stay = (meanS: number): number => -Math.log(1 - stream.uniform()) * meanS;
  let state = pick(steadyState(states, transitions), stream.uniform());
  let before = 0;
  let startS = 0;
  // What is left of an exponential stay is distributed as a whole one.
  let lengthS = stay(states[state].meanS);
  return (expected) => {
    for (;;) {
      const { ratePerS } = states[state];
      const held = ratePerS * lengthS;
      if (expected <= before + held) return (startS + (expected - before) / ratePerS) * 1e6;
      before += held;
      startS += lengthS;
      state = pick(transitions[state], stream.uniform());
      lengthS = stay(states[state].meanS);
    }
  };
}

/** Each state leads to the next, the last to the first. */
export function circle(count: number): readonly (readonly number[])[] {
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_, j) => (j === (i + 1) % count ? 1 : 0)),
  );
}

/** Mean rate of a process whose every state leads, in the end, to every other. */
export function mmppRatePerS(
  states: readonly ModulatingState[],
  transitions: readonly (readonly number[])[],
): number {
  const shares = steadyState(states, transitions);
  return states.reduce((sum, { ratePerS }, i) => sum + shares[i] * ratePerS, 0);
}

/**
 * Share of time in each state: visits in proportion to the solution of π = πP, times the mean stay.
 * Found by elimination from the last state to the first, which subtracts nothing. Source: Grassmann,
 * Taksar & Heyman, Operations Research 33(5), 1985.
 */
function steadyState(
  states: readonly ModulatingState[],
  transitions: readonly (readonly number[])[],
): readonly number[] {
  const p = transitions.map((row) => [...row]);
  for (let n = p.length - 1; n > 0; n--) {
    const out = p[n].slice(0, n).reduce((sum, x) => sum + x, 0);
    for (let i = 0; i < n; i++) p[i][n] /= out;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) p[i][j] += p[i][n] * p[n][j];
    }
  }
  const visits = [1];
  for (let n = 1; n < p.length; n++) {
    visits.push(visits.reduce((sum, visit, i) => sum + visit * p[i][n], 0));
  }
  const times = visits.map((visit, i) => visit * states[i].meanS);
  const total = times.reduce((sum, time) => sum + time, 0);
  return times.map((time) => time / total);
}

function pick(shares: readonly number[], u: number): number {
  let sum = 0;
  let last = 0;
  for (let i = 0; i < shares.length; i++) {
    if (shares[i] === 0) continue;
    sum += shares[i];
    last = i;
    if (u < sum) return i;
  }
  return last;
}
