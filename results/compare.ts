/**
 * Comparisons of configurations that differ only in the compared parameters: the best, those that are
 * not distinguishable from it, and the differences.
 */
import { grouped } from "../engine/basics/iterables.ts";
import type { MetricName } from "../engine/metrics/figures.ts";
import { meanOf, studentT, studentT975, studentTail } from "../engine/statistics/estimate.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Parameter } from "../scenario/sweep/parameter-columns.ts";
import { parameterKind } from "../scenario/sweep/parameter-columns.ts";
import type { Comparison, ConfigurationResult } from "./documents.ts";

/** The part of a configuration's result that comparisons read. */
export type Compared = Pick<
  ConfigurationResult,
  "id" | "parameters" | "metrics" | "samples" | "inputs" | "stability"
>;

/** A difference up to this share of the best's mean is a tie, unless told otherwise. */
export const DEFAULT_MARGIN = 0.01;

const COMPARED_METRICS: readonly MetricName[] = ["latencyMeanMs", "latencyP99Ms"];

/** The metrics that a scenario compares. */
export function comparedMetrics({ compare }: ScenarioDocument["run"]): readonly MetricName[] {
  return (compare?.metrics as readonly MetricName[] | undefined) ?? COMPARED_METRICS;
}

/** Groups up to this size report all pairs of members; larger ones, only pairs with the best. */
const MOST_ALL_PAIRS = 5;
/** Larger groups are not compared: the work grows with the pairs. */
const MOST_MEMBERS = 500;
export const SIGNIFICANT = 0.05;

/** More is better for these; for all others, less. */
export const MORE_IS_BETTER: ReadonlySet<MetricName> = new Set([
  "throughputPerS",
  "goodputPerS",
  "accuracyMean",
  "confidenceMean",
  "sloAttainmentRatio",
]);

/**
 * The swept parameters that are compared unless told otherwise: the scheduler's if any of them is
 * swept, else all but the workload's and the run's.
 */
export function comparedPaths(paths: readonly string[]): readonly string[] {
  const scheduler = paths.filter((path) => parameterKind(path).startsWith("scheduler"));
  if (scheduler.length > 0) return scheduler;
  return paths.filter((path) => parameterKind(path) !== "load" && !path.startsWith("run."));
}

/**
 * One comparison per metric and group of configurations that differ only in `over`; differences up
 * to the share `margin` of the best's mean are ties. Unstable ones are not compared: their figures
 * are no estimates. Groups of one, and without repetition, give none.
 */
export function compareConfigurations(
  configurations: readonly Compared[],
  over: readonly string[],
  margin = DEFAULT_MARGIN,
): readonly Comparison[] {
  const stable = configurations.filter(({ stability }) => stability !== "unstable");
  const groups = grouped(stable, (one) => JSON.stringify(fixedOf(one, over)));
  return [...groups.values()].flatMap((group) => {
    if (group.length < 2 || group.length > MOST_MEMBERS) return [];
    const metrics = Object.keys(group[0].samples ?? {}) as MetricName[];
    return metrics.flatMap((metric) => compareGroup(group, over, metric, margin) ?? []);
  });
}

function fixedOf({ parameters }: Compared, over: readonly string[]): Record<string, Parameter> {
  return Object.fromEntries(Object.entries(parameters).filter(([path]) => !over.includes(path)));
}

/** One metric of a group's members, in their order; null without pairs of values to compare. */
export function compareGroup(
  group: readonly Compared[],
  over: readonly string[],
  metric: MetricName,
  margin: number,
): Comparison | null {
  const samples = group.map((one) => one.samples?.[metric] ?? []);
  const changes = group.map((one) => one.inputs?.deviations[metric] ?? []);
  const sign = MORE_IS_BETTER.has(metric) ? -1 : 1;
  const signed = samples.map((values) => values.map((value) => sign * value));
  const standings = compareWithBest(signed, margin, changes);
  if (standings === null) return null;
  const members = group.map((one, i) => {
    const { verdict, low, high } = standings[i];
    const [lowest, highest] = sign > 0 ? [low, high] : [-high, -low];
    const fromBest = { low: lowest + 0, high: highest + 0 };
    return { id: one.id, mean: one.metrics[metric]?.mean ?? Number.NaN, verdict, fromBest };
  });
  const order = members.map((_, i) => i).sort((a, b) => sign * (members[a].mean - members[b].mean));
  const pairs = pairsOf(order).map(([a, b]) => {
    const inputs = changedApart(changes[a], changes[b]);
    return { of: { a: group[a].id, b: group[b].id }, a: samples[a], b: samples[b], inputs };
  });
  return {
    metric,
    over,
    fixed: fixedOf(group[0], over),
    members,
    differences: differencesOf(pairs).map(({ of, difference }) => {
      return { ...of, ...difference, distinguishable: difference.adjustedP < SIGNIFICANT };
    }),
  };
}

/** Pairs of members, the better one first. */
function pairsOf(order: readonly number[]): readonly (readonly [number, number])[] {
  const firsts = order.length <= MOST_ALL_PAIRS ? order : order.slice(0, 1);
  return firsts.flatMap((a, rank) => order.slice(rank + 1).map((b) => [a, b] as const));
}

/** Values of two alternatives by replication, and `of` what they are. */
export interface Pair<Of> {
  readonly of: Of;
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** Changes of their difference by draw of measured inputs. */
  readonly inputs: readonly number[];
}

/** The differences of the pairs that have any, with P values adjusted for all of them. */
export function differencesOf<Of>(pairs: readonly Pair<Of>[]) {
  const found = pairs.flatMap(({ of, a, b, inputs }) => {
    const difference = pairedDifference(a, b, inputs);
    return difference === null ? [] : [{ of, difference }];
  });
  const adjusted = holmAdjusted(found.map(({ difference }) => pValue(difference)));
  return found.map(({ of, difference }, i) => ({
    of,
    difference: {
      mean: difference.mean,
      halfWidth95: halfWidth95(difference),
      pairs: difference.pairs,
      adjustedP: adjusted[i],
    },
  }));
}

interface Standing {
  /** "worse": than some other by more than the margin; "best": the only one that is not. */
  readonly verdict: Comparison["members"][number]["verdict"];
  /** The ends of the interval of its distance to the best of the others. */
  readonly low: number;
  readonly high: number;
}

const ERROR = 0.05;

/**
 * Multiple comparisons with the best (MCB) of k alternatives. Each alternative has an interval of its
 * distance to the best of the others, and all k intervals hold at once with 95% probability.
 *
 *   D(i,j)   mean paired difference: value of i less value of j
 *   w(i,j)   t(1 − 0.05/max(2, k−1), freedom) × its standard error. By Bonferroni the k − 1
 *            differences to the true best hold at once, however they depend on one another; for
 *            two alternatives it is the half width of the difference's own 95% interval
 *   a(i)     max over j of D(i,j) − w(i,j): i may be the best unless this is above 0
 *   low(i)   min(0, a(i))
 *   high(i)  max(0, max of D(i,j) + w(i,j) over the j that may be the best); 0 if only i may
 *
 * With a margin δ, i is worse only if a(i) > δ: the lower end of
 * its difference to some other exceeds the margin. So each alternative that is truly within δ of the
 * best is called worse with at most 5% probability. The intervals do not depend on the margin.
 *
 * Sources: Hsu, "Constrained simultaneous confidence intervals for multiple comparisons with the
 * best", Annals of Statistics 12(3), 1984; Nelson & Matejcik, "Using common random numbers for
 * indifference-zone selection and multiple comparisons in simulation", Management Science 41(12),
 * 1995.
 *
 * `samples` are values per replication; less is better. `changes` are by draw of measured inputs. A difference up to `margin`, a share of the best
 * mean, makes none worse. Null when there are fewer than two alternatives or pairs.
 */
export function compareWithBest(
  samples: readonly (readonly number[])[],
  margin = 0,
  changes: readonly (readonly number[])[] = samples.map(() => []),
): readonly Standing[] | null {
  const k = samples.length;
  if (k < 2) return null;
  const tail = ERROR / Math.max(2, k - 1);
  const mean = new Float64Array(k * k);
  const width = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = i + 1; j < k; j++) {
      const inputs = changedApart(changes[i], changes[j]);
      const difference = pairedDifference(samples[i], samples[j], inputs);
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
  // Unequal numbers of pairs can leave none below 0: the nearest to it stays.
  const bound = Math.max(delta, Math.min(...above));
  const alone = above.filter((distance) => distance <= bound).length === 1;
  return above.map((distance) => {
    if (distance > bound) return "worse";
    return alone ? "best" : "not distinguishable";
  });
}

/**
 * Configurations of a sweep meet the same requests in replication i (common random numbers), so the
 * differences by replication are independent of one another and vary far less than the values do.
 * Source: Law & Kelton, Simulation Modeling and Analysis, 3rd ed., 2000, sections 10.2.1 and 11.2.
 */
interface PairedDifference {
  /** The mean of a − b. */
  readonly mean: number;
  readonly standardError: number;
  /** Degrees of freedom of the standard error. */
  readonly freedom: number;
  /** Replications that both have. */
  readonly pairs: number;
}

/**
 * Changes of a difference by draw of measured inputs. Inputs that both sides share have changed alike, so they cancel;
 * a side without draws did not change.
 */
export function changedApart(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0 || b.length === 0) return [...a, ...b];
  return a.slice(0, b.length).map((change, draw) => change - b[draw]);
}

/** A difference below this share of the values is rounding. */
const ROUNDING = 1e-9;

/**
 * Null with fewer than two pairs. `inputs` are changes of the difference by draw: their mean square adds to the
 * variance, with degrees of freedom by Satterthwaite (Biometrics Bulletin 2(6), 1946).
 */
export function pairedDifference(
  a: readonly number[],
  b: readonly number[],
  inputs: readonly number[] = [],
): PairedDifference | null {
  const pairs = Math.min(a.length, b.length);
  if (pairs < 2) return null;
  let sum = 0;
  let size = 0;
  for (let i = 0; i < pairs; i++) {
    sum += a[i] - b[i];
    size += Math.abs(a[i]) + Math.abs(b[i]);
  }
  const mean = sum / pairs;
  let squares = 0;
  for (let i = 0; i < pairs; i++) squares += (a[i] - b[i] - mean) ** 2;
  const ofRuns = squares / (pairs - 1) / pairs;
  const ofInputs = inputs.length === 0 ? 0 : meanOf(inputs.map((change) => change * change));
  const standardError = Math.sqrt(ofRuns + ofInputs);
  const least = (ROUNDING * size) / pairs;
  return {
    mean: Math.abs(mean) < least ? 0 : mean,
    standardError: standardError < least ? 0 : standardError,
    freedom: freedomOf(ofRuns, pairs - 1, ofInputs, inputs.length),
    pairs,
  };
}

/** Of a sum of variances. */
function freedomOf(a: number, aFreedom: number, b: number, bFreedom: number): number {
  if (b === 0) return aFreedom;
  return Math.max(1, Math.floor((a + b) ** 2 / (a ** 2 / aFreedom + b ** 2 / bFreedom)));
}

/** Half width of the two-sided 95% interval of this difference alone. */
export function halfWidth95({ standardError, freedom }: PairedDifference): number {
  return studentT975(freedom) * standardError;
}

/** Half width such that the true difference lies below `mean + width` but for `tail`. */
function oneSidedWidth({ standardError, freedom }: PairedDifference, tail: number): number {
  return standardError === 0 ? 0 : studentT(freedom, tail) * standardError;
}

/** Two-sided P value of the hypothesis that there is no difference. */
export function pValue({ mean, standardError, freedom }: PairedDifference): number {
  if (mean === 0) return 1;
  return standardError === 0 ? 0 : 2 * studentTail(Math.abs(mean) / standardError, freedom);
}

/**
 * P values adjusted for the number of differences: if all below 5% are called real, the chance that any
 * of them is not is at most 5%.
 * Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
 * Statistics 6(2), 1979.
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a] - pValues[b]);
  const adjusted = new Array<number>(pValues.length);
  let least = 0;
  for (const [rank, i] of order.entries()) {
    least = Math.max(least, Math.min(1, pValues[i] * (pValues.length - rank)));
    adjusted[i] = least;
  }
  return adjusted;
}
