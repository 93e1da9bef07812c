/** A rate that swings as a sine: ratePerS × (1 + amplitude × sin(2π (t / period + phase))). */
import type { TimeOf } from "./rescaled.ts";

export interface Swing {
  readonly ratePerS: number;
  /** 0..1. */
  readonly amplitude: number;
  readonly periodS: number;
  /** Periods, 0..1. */
  readonly phase: number;
}

const MAX_STEPS = 100;

const TURN = 2 * Math.PI;

/** How many are expected until an instant. */
export function diurnalRequests(swing: Swing, seconds: number): number {
  const { ratePerS, periodS } = swing;
  return ratePerS * periodS * periodsOfMean(swing, seconds / periodS);
}

/**
 * Periods of the mean rate that bring as many arrivals as the first t periods do. A function that never
 * falls and lies within amplitude / π of t.
 */
function periodsOfMean({ amplitude, phase }: Swing, t: number): number {
  return t + (amplitude * (Math.cos(TURN * phase) - Math.cos(TURN * (t + phase)))) / TURN;
}

/** The inverse is found by Newton's method, kept between two bounds by bisection. */
export function diurnalTimeOf(swing: Swing): TimeOf {
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
