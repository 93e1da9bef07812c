/** A rate that runs in straight lines from point to point, and stays after the last. */
import type { TimeOf } from "./rescaled.ts";

export interface RatePoint {
  readonly atS: number;
  readonly ratePerS: number;
}

/** `points` are in order of time; the first holds from time 0 on. */
export function rampTimeOf(points: readonly RatePoint[]): TimeOf {
  let at = 0;
  let before = 0;
  let startS = 0;
  let ratePerS = points[0].ratePerS;
  return (expected) => {
    for (;;) {
      const next = points[at];
      const lengthS = next === undefined ? Number.POSITIVE_INFINITY : next.atS - startS;
      const slope = next === undefined || lengthS === 0 ? 0 : (next.ratePerS - ratePerS) / lengthS;
      const held = next === undefined ? 0 : ((ratePerS + next.ratePerS) / 2) * lengthS;
      if (next === undefined || expected <= before + held) {
        return (startS + secondsUntil(expected - before, ratePerS, slope)) * 1e6;
      }
      before += held;
      startS = next.atS;
      ratePerS = next.ratePerS;
      at++;
    }
  };
}

/** How many are expected until an instant. */
export function rampRequests(points: readonly RatePoint[], seconds: number): number {
  let expected = 0;
  let startS = 0;
  let { ratePerS } = points[0];
  for (const next of points) {
    const lengthS = next.atS - startS;
    const heldS = Math.min(lengthS, seconds - startS);
    if (heldS > 0) {
      const slope = (next.ratePerS - ratePerS) / lengthS;
      expected += (ratePerS + (slope * heldS) / 2) * heldS;
    }
    startS = next.atS;
    ratePerS = next.ratePerS;
  }
  return expected + ratePerS * Math.max(0, seconds - startS);
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
