/** How the number in the system grows over a run's measured window. */

/**
 * Requests that stay behind per request that arrives, in each half of the window: the slope of the
 * number in the system over the arrival rate. 0 in a steady state, 1 − capacity / rate in overload.
 */
export interface Growth {
  readonly firstHalf: number;
  readonly secondHalf: number;
}

const FEWEST_BINS = 32;
const FEWEST_ARRIVALS = 200;

/** `means` are of consecutive stretches of `widthUs`; null when there is too little to say. */
export function growthOf(
  means: Float64Array,
  widthUs: number,
  arrivalsPerUs: number,
): Growth | null {
  const half = means.length >> 1;
  const arrivals = arrivalsPerUs * widthUs * means.length;
  if (means.length < FEWEST_BINS || arrivals < FEWEST_ARRIVALS) return null;
  const perArrival = (part: Float64Array): number => slope(part) / (widthUs * arrivalsPerUs);
  return {
    firstHalf: perArrival(means.subarray(0, half)),
    secondHalf: perArrival(means.subarray(half)),
  };
}

/** Least squares slope per step. */
function slope(values: Float64Array): number {
  const middle = (values.length - 1) / 2;
  let above = 0;
  let below = 0;
  for (let i = 0; i < values.length; i++) {
    above += (i - middle) * values[i];
    below += (i - middle) ** 2;
  }
  return above / below;
}
