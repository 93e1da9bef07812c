/**
 * Configurations compared with one another: which of those that differ only in the compared
 * parameters is best, or not distinguishable from the best, and by how much they differ.
 */
import type {
  Comparison,
  ConfigurationResult,
  Difference,
  MetricName,
  Parameter,
} from "../results.ts";
import { parameterKind } from "../scenario/parameter-columns.ts";
import type { ScenarioDocument } from "../scenario/schema.ts";
import { compareWithBest } from "../statistics/compare-with-best.ts";
import { holmAdjusted } from "../statistics/holm.ts";
import {
  halfWidth95,
  type PairedDifference,
  pairedDifference,
  pValue,
} from "../statistics/paired.ts";

/** All of a configuration's result that comparisons read. */
export type Compared = Pick<
  ConfigurationResult,
  "id" | "parameters" | "metrics" | "samples" | "stability"
>;

/** A difference up to this share of the best's mean is a tie, unless told otherwise. */
export const DEFAULT_MARGIN = 0.01;

const COMPARED_METRICS: readonly MetricName[] = ["latencyMeanMs", "latencyP99Ms"];

/** The metrics that a scenario compares. */
export function comparedMetrics({ compare }: ScenarioDocument["run"]): readonly MetricName[] {
  return (compare?.metrics as readonly MetricName[] | undefined) ?? COMPARED_METRICS;
}

/** All pairs of a group's members are reported up to so many members; beyond, those with the best. */
const MOST_ALL_PAIRS = 5;
/** Larger groups are not compared: every pair counts, and no reader looks at so many. */
const MOST_MEMBERS = 500;
const SIGNIFICANT = 0.05;

/** More is better for these; for all others, less. */
const MORE_IS_BETTER: ReadonlySet<MetricName> = new Set([
  "throughputPerS",
  "goodputPerS",
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
  const groups = new Map<string, Compared[]>();
  for (const one of configurations) {
    if (one.stability === "unstable") continue;
    const key = JSON.stringify(fixedOf(one, over));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
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
  const sign = MORE_IS_BETTER.has(metric) ? -1 : 1;
  const signed = samples.map((values) => values.map((value) => sign * value));
  const standings = compareWithBest(signed, margin);
  if (standings === null) return null;
  const members = group.map((one, i) => {
    const { verdict, low, high } = standings[i];
    const [lowest, highest] = sign > 0 ? [low, high] : [-high, -low];
    const fromBest = { low: lowest + 0, high: highest + 0 };
    return { id: one.id, mean: one.metrics[metric]?.mean ?? Number.NaN, verdict, fromBest };
  });
  const order = members.map((_, i) => i).sort((a, b) => sign * (members[a].mean - members[b].mean));
  return {
    metric,
    over,
    fixed: fixedOf(group[0], over),
    members,
    differences: differencesOf(group, samples, pairsOf(order)),
  };
}

/** Pairs of members, the better one first. */
function pairsOf(order: readonly number[]): readonly (readonly [number, number])[] {
  const firsts = order.length <= MOST_ALL_PAIRS ? order : order.slice(0, 1);
  return firsts.flatMap((a, rank) => order.slice(rank + 1).map((b) => [a, b] as const));
}

function differencesOf(
  group: readonly Compared[],
  samples: readonly (readonly number[])[],
  pairs: readonly (readonly [number, number])[],
): readonly Difference[] {
  const found = pairs.flatMap(([a, b]) => {
    const difference = pairedDifference(samples[a], samples[b]);
    return difference === null ? [] : [{ a, b, difference }];
  });
  const adjusted = holmAdjusted(found.map(({ difference }) => pValue(difference)));
  return found.map(({ a, b, difference }, i) => ({
    a: group[a].id,
    b: group[b].id,
    ...shown(difference),
    adjustedP: adjusted[i],
    distinguishable: adjusted[i] < SIGNIFICANT,
  }));
}

function shown(difference: PairedDifference): Pick<Difference, "mean" | "halfWidth95" | "pairs"> {
  const { mean, pairs } = difference;
  return { mean, halfWidth95: halfWidth95(difference), pairs };
}
