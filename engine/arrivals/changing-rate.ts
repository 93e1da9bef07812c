/**
 * Poisson arrivals whose rate changes with time, exactly: the points of a Poisson process of rate 1,
 * laid on the expected number of arrivals so far and carried back to time.
 * Source: Çinlar, Introduction to Stochastic Processes, 1975, section 4.7 (time-scale transformation).
 */

import { Sampler } from "../random/sampler.ts";
import { RandomStream } from "../random/stream.ts";
import type { ArrivalSource, Extent } from "./sources.ts";
import type { Diurnal, ModulatingState, Rates, SpannedWorkload } from "./workload.ts";

/** The instant, µs, at which the expected number of arrivals is `expected`; Infinity if it never is. */
type TimeOf = (expected: number) => number;

export class RescaledPoisson implements ArrivalSource {
  readonly #timeOf: TimeOf;
  readonly closed = false;
  readonly horizonUs: number;
  nextUs = 0;
  readonly #gap: Sampler;
  #left: number;
  #expected = 0;

  /** `timeOf` gets rising values only, so it may keep its place. */
  constructor(timeOf: TimeOf, seed: string, { limit, horizonUs }: Extent) {
    this.#timeOf = timeOf;
    this.#gap = new Sampler({ kind: "exponential" }, seed, "arrivals");
    this.#left = limit;
    this.horizonUs = horizonUs;
    this.advance();
  }

  advance(): void {
    this.#expected += this.#gap.next();
    const at = --this.#left < 0 ? Number.POSITIVE_INFINITY : this.#timeOf(this.#expected);
    this.nextUs = at >= this.horizonUs ? Number.POSITIVE_INFINITY : Math.round(at);
  }

  get exhausted(): boolean {
    return this.nextUs === Number.POSITIVE_INFINITY;
  }

  requestEnded(): void {}
}

/**
 * The straight pieces of a rate that runs in lines from point to point, in order of time. The first point
 * holds from time 0 on, and the rate stays after the last. `held` is a piece's expected number of arrivals.
 */
function piecesOf(points: Rates) {
  let startS = 0;
  let { ratePerS } = points[0];
  const pieces = points.map((next) => {
    const lengthS = next.atS - startS;
    const slope = lengthS === 0 ? 0 : (next.ratePerS - ratePerS) / lengthS;
    const held = ((ratePerS + next.ratePerS) / 2) * lengthS;
    const piece = { startS, lengthS, ratePerS, slope, held };
    startS = next.atS;
    ratePerS = next.ratePerS;
    return piece;
  });
  const endless = { lengthS: Number.POSITIVE_INFINITY, slope: 0, held: Number.POSITIVE_INFINITY };
  return [...pieces, { startS, ratePerS, ...endless }];
}

export function rampTimeOf(points: Rates): TimeOf {
  const pieces = piecesOf(points);
  let at = 0;
  let before = 0;
  return (expected) => {
    while (expected > before + pieces[at].held) before += pieces[at++].held;
    const { startS, ratePerS, slope } = pieces[at];
    return (startS + secondsUntil(expected - before, ratePerS, slope)) * 1e6;
  };
}

/** The expected number of requests until an instant. */
export function rampRequests(points: Rates, seconds: number): number {
  return piecesOf(points).reduce((expected, { startS, lengthS, ratePerS, slope }) => {
    const heldS = Math.max(0, Math.min(lengthS, seconds - startS));
    return expected + (ratePerS + (slope * heldS) / 2) * heldS;
  }, 0);
}

/**
 * The t with rate·t + slope·t²/2 = mass, in the form that loses no digits when the slope is small:
 * 2·mass / (rate + sqrt(rate² + 2·slope·mass)). Infinity when there is no such t.
 */
function secondsUntil(mass: number, rate: number, slope: number): number {
  if (mass <= 0) return 0;
  const root = Math.sqrt(Math.max(0, rate * rate + 2 * slope * mass));
  return (2 * mass) / (rate + root);
}

const MAX_STEPS = 100;

const TURN = 2 * Math.PI;

/** The expected number of requests until an instant. */
export function diurnalRequests(swing: Diurnal, seconds: number): number {
  const { ratePerS, periodS } = swing;
  return ratePerS * periodS * periodsOfMean(swing, seconds / periodS);
}

/**
 * Periods of the mean rate that bring as many arrivals as the first t periods. It never falls, and it lies
 * within amplitude / π of t.
 */
function periodsOfMean({ amplitude, phase }: Diurnal, t: number): number {
  return t + (amplitude * (Math.cos(TURN * phase) - Math.cos(TURN * (t + phase)))) / TURN;
}

/** The inverse is found by Newton's method, kept between two bounds by bisection. */
export function diurnalTimeOf(swing: Diurnal): TimeOf {
  const { ratePerS, amplitude, periodS, phase } = swing;
  const perPeriod = ratePerS * periodS;
  return (expected) => {
    const wanted = expected / perPeriod;
    const slack = amplitude / Math.PI + 1e-9;
    let low = Math.max(0, wanted - slack);
    let high = wanted + slack;
    let t = wanted;
    for (let step = 0; step < MAX_STEPS; step++) {
      const miss = periodsOfMean(swing, t) - wanted;
      if (miss > 0) high = t;
      else low = t;
      const newton = t - miss / (1 + amplitude * Math.sin(TURN * (t + phase)));
      const next = newton > low && newton < high ? newton : (low + high) / 2;
      if (Math.abs(next - t) <= 1e-15 * Math.max(1, t)) break;
      t = next;
    }
    return t * periodS * 1e6;
  };
}

/** For a workload whose rate is known beforehand. */
export function changingTimeOf(
  workload: Extract<SpannedWorkload, { arrivals: "diurnal" | "ramp" }>,
): TimeOf {
  return workload.arrivals === "ramp" ? rampTimeOf(workload.rates) : diurnalTimeOf(workload);
}

/**
 * Markov-modulated Poisson process: the rate follows a chain of states with exponential stays. It
 * starts in its steady state. Source: Fischer & Meier-Hellstern, "The Markov-modulated Poisson process
 * (MMPP) cookbook", Performance Evaluation 18(2), 1993.
 * `transitions[i][j]` is the probability that a stay in i leads to j; rows add up to 1.
 */
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
  // The rest of an exponential stay is distributed as a whole stay.
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
