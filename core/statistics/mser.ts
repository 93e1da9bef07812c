/**
 * Where the initial transient ends: the truncation after which the remaining mean is known best.
 *
 *   MSER(d) = Σ over i > d of (y(i) − mean of those)² / (n − d)²
 *
 * over means y of 5 consecutive values; the least MSER over the first half wins. A minimum at
 * that bound means that the run shows no steady state.
 * Sources: White, "An effective truncation heuristic for bias reduction in simulation output",
 * Simulation 69(6), 1997; Franklin & White, "Stationarity tests and MSER-5", Winter Simulation
 * Conference, 2008.
 */
const GROUP = 5;
const FEWEST_GROUPS = 10;

export interface Truncation {
  /** Values to leave out at the start: a multiple of 5. */
  readonly values: number;
  /** False: the best place to cut is the bound itself, so the run is too short. */
  readonly settled: boolean;
}

/** Null for fewer than 50 values. */
export function mser5(values: ArrayLike<number>): Truncation | null {
  const groups = Math.floor(values.length / GROUP);
  if (groups < FEWEST_GROUPS) return null;
  const half = Math.floor(groups / 2);
  let sum = 0;
  let squares = 0;
  let least = Number.POSITIVE_INFINITY;
  let cut = 0;
  // From the end, so that each truncation adds one group to the sums.
  for (let d = groups - 1; d >= 0; d--) {
    let mean = 0;
    for (let i = 0; i < GROUP; i++) mean += values[d * GROUP + i] / GROUP;
    sum += mean;
    squares += mean * mean;
    if (d > half) continue;
    const left = groups - d;
    const score = Math.max(0, squares - (sum * sum) / left) / (left * left);
    if (score <= least) {
      least = score;
      cut = d;
    }
  }
  return { values: cut * GROUP, settled: cut < half };
}
