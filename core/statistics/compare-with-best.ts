/**
 * Which of k alternatives is best, or not distinguishable from it: multiple comparisons with the
 * best (MCB). For each alternative an interval of its distance to the best of the others, such
 * that all k intervals hold at once with 95% probability.
 *
 *   D(i,j)   mean paired difference: value of i less value of j
 *   w(i,j)   t(1 − 0.05/(k−1), pairs − 1) × its standard error. By Bonferroni the k − 1
 *            differences to the true best hold at once, however they depend on one another
 *   a(i)     max over j of D(i,j) − w(i,j): i may be the best unless this is above 0
 *   low(i)   min(0, a(i))
 *   high(i)  max(0, max of D(i,j) + w(i,j) over the j that may be the best); 0 if only i may
 *
 * stated here for "less is better". Sources: Hsu, "Constrained simultaneous confidence intervals
 * for multiple comparisons with the best", Annals of Statistics 12(3), 1984; Nelson & Matejcik,
 * "Using common random numbers for indifference-zone selection and multiple comparisons in
 * simulation", Management Science 41(12), 1995.
 */
import { oneSidedWidth, pairedDifference } from "./paired.ts";

export interface Standing {
  /** Whether it may be the best, and whether it is the only one that may. */
  readonly verdict: "best" | "not distinguishable" | "worse";
  /** How much more than the best of the others it is: the interval's ends. */
  readonly low: number;
  readonly high: number;
}

const ERROR = 0.05;

/**
 * Standings of alternatives by their values per replication; less is better. Null when there are
 * fewer than two alternatives or pairs.
 */
export function compareWithBest(
  samples: readonly (readonly number[])[],
): readonly Standing[] | null {
  const k = samples.length;
  if (k < 2) return null;
  const tail = ERROR / (k - 1);
  const mean = new Float64Array(k * k);
  const width = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = i + 1; j < k; j++) {
      const difference = pairedDifference(samples[i], samples[j]);
      if (difference === null) return null;
      mean[i * k + j] = difference.mean;
      mean[j * k + i] = -difference.mean;
      width[i * k + j] = oneSidedWidth(difference, tail);
      width[j * k + i] = width[i * k + j];
    }
  }
  const others = (i: number): number[] => samples.flatMap((_, j) => (j === i ? [] : [j]));
  const above = samples.map((_, i) =>
    Math.max(...others(i).map((j) => mean[i * k + j] - width[i * k + j])),
  );
  // Unequal numbers of pairs can leave nobody below 0: the nearest to it stays.
  const bound = Math.max(0, Math.min(...above));
  const candidates = samples.flatMap((_, i) => (above[i] <= bound ? [i] : []));
  return samples.map((_, i): Standing => {
    const may = above[i] <= bound;
    const rivals = candidates.filter((j) => j !== i);
    const furthest = Math.max(0, ...rivals.map((j) => mean[i * k + j] + width[i * k + j]));
    return {
      verdict: may && rivals.length === 0 ? "best" : may ? "not distinguishable" : "worse",
      low: Math.min(0, above[i]),
      high: furthest,
    };
  });
}
