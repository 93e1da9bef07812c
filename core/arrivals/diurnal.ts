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

/**
 * Expected arrivals until t periods: mean × (t + amplitude × (cos 2πφ − cos 2π(t + φ)) / 2π), a function
 * that never falls and lies within amplitude / π of its mean line. Its inverse is found by Newton's
 * method, kept between two bounds by bisection.
 */
export function diurnalTimeOf({ ratePerS, amplitude, periodS, phase }: Swing): TimeOf {
  const perPeriod = ratePerS * periodS;
  const turn = 2 * Math.PI;
  const offset = Math.cos(turn * phase);
  const periodsUntil = (t: number): number =>
    t + (amplitude * (offset - Math.cos(turn * (t + phase)))) / turn;
  return (expected) => {
    const wanted = expected / perPeriod;
    const slack = amplitude / Math.PI + 1e-9;
    let low = Math.max(0, wanted - slack);
    let high = wanted + slack;
    let t = wanted;
    for (let step = 0; step < MAX_STEPS; step++) {
      const miss = periodsUntil(t) - wanted;
      if (miss > 0) high = t;
      else low = t;
      const newton = t - miss / (1 + amplitude * Math.sin(turn * (t + phase)));
      const next = newton > low && newton < high ? newton : (low + high) / 2;
      if (Math.abs(next - t) <= 1e-15 * Math.max(1, t)) break;
      t = next;
    }
    return t * periodS * 1e6;
  };
}
