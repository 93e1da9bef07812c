/**
 * Which of k alternatives is best, or not distinguishable from it: multiple comparisons with the
 * best (MCB). For each alternative an interval of its distance to the best of the others, such
 * that all k intervals hold at once with 95% probability.
 *
 *   D(i,j)   mean paired difference: value of i less value of j
 *   w(i,j)   t(1 − 0.05/max(2, k−1), pairs − 1) × its standard error. By Bonferroni the k − 1
 *            differences to the true best hold at once, however they depend on one another; for
 *            two alternatives it is the half width of the difference's own 95% interval
 *   a(i)     max over j of D(i,j) − w(i,j): i may be the best unless this is above 0
 *   low(i)   min(0, a(i))
 *   high(i)  max(0, max of D(i,j) + w(i,j) over the j that may be the best); 0 if only i may
 *
 * stated here for "less is better". With a margin δ, i is worse only if a(i) > δ: the lower end of
 * its difference to some other exceeds the margin. So each alternative that is truly within δ of the
 * best is called worse with at most 5% probability. The intervals do not depend on the margin.
 *
 * Sources: Hsu, "Constrained simultaneous confidence intervals for multiple comparisons with the
 * best", Annals of Statistics 12(3), 1984; Nelson & Matejcik, "Using common random numbers for
 * indifference-zone selection and multiple comparisons in simulation", Management Science 41(12),
 * 1995.
 */
import { oneSidedWidth, pairedDifference } from "./paired.ts";

export interface Standing {
  /** "worse": than some other by more than the margin; "best": the only one that is not. */
  readonly verdict: "best" | "not distinguishable" | "worse";
  /** How much more than the best of the others it is: the interval's ends. */
  readonly low: number;
  readonly high: number;
}

const ERROR = 0.05;

/**
 * Standings of alternatives by their values per replication; less is better. A difference up to
 * `margin`, a share of the best mean, makes none worse. Null when there are fewer than two alternatives
 * or pairs.
 */
export function compareWithBest(
  samples: readonly (readonly number[])[],
  margin = 0,
): readonly Standing[] | null {
  const k = samples.length;
  if (k < 2) return null;
  const tail = ERROR / Math.max(2, k - 1);
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
  const least = Math.min(...samples.map(meanOf));
  const verdicts = verdictsOf(above, margin * Math.abs(least));
  const candidates = verdictsOf(above, 0).flatMap((verdict, i) => (verdict === "worse" ? [] : [i]));
  return samples.map((_, i): Standing => {
    const rivals = candidates.filter((j) => j !== i);
    const furthest = Math.max(0, ...rivals.map((j) => mean[i * k + j] + width[i * k + j]));
    return { verdict: verdicts[i], low: Math.min(0, above[i]), high: furthest };
  });
}

function verdictsOf(above: readonly number[], delta: number): readonly Standing["verdict"][] {
  // Unequal numbers of pairs can leave nobody below 0: the nearest to it stays.
  const bound = Math.max(delta, Math.min(...above));
  const alone = above.filter((distance) => distance <= bound).length === 1;
  return above.map((distance) => {
    if (distance > bound) return "worse";
    return alone ? "best" : "not distinguishable";
  });
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
