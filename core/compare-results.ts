/**
 * Two results of one scenario, before and after a change: did the change matter? Configurations
 * with the same swept values are compared metric by metric.
 */
import { halfWidth95, holmAdjusted, MORE_IS_BETTER, pairedDifference, pValue } from "./compare.ts";
import type { ConfigurationResult, MetricName, ResultsDocument } from "./results.ts";

export interface Change {
  /** Id of the configuration. */
  readonly id: string;
  readonly metric: MetricName;
  readonly before: number;
  readonly after: number;
  /** after − before, with its own 95% interval. */
  readonly difference: number;
  readonly halfWidth95: number;
  /** Replications that both have. */
  readonly pairs: number;
  /** P value, adjusted for all changes of the document (Holm). */
  readonly adjustedP: number;
  /** "no difference shown": noise explains it, or it is within the margin. */
  readonly verdict: "better" | "worse" | "no difference shown";
}

export interface Changes {
  readonly changes: readonly Change[];
  /** Configurations that one of the two has alone. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

const SIGNIFICANT = 0.05;

/**
 * Replication i of both sides met the same requests if the seeds are the same: that is what the
 * pairs rest on. `margin` is the share of the value before up to which a difference is none.
 */
export function compareResults(
  before: ResultsDocument,
  after: ResultsDocument,
  margin: number,
): Changes {
  const others = new Map(after.configurations.map((one) => [keyOf(one), one]));
  const shared = before.configurations.flatMap((one) => {
    const other = others.get(keyOf(one));
    return other === undefined ? [] : [[one, other] as const];
  });
  const found = shared.flatMap(([one, other]) => differencesOf(one, other));
  const adjusted = holmAdjusted(found.map(({ p }) => p));
  const known = new Set(before.configurations.map(keyOf));
  return {
    changes: found.map(({ p: _, ...change }, i) => ({
      ...change,
      adjustedP: adjusted[i],
      verdict: verdictOf(change, adjusted[i], margin),
    })),
    onlyBefore: before.configurations.filter((one) => !others.has(keyOf(one))).map(({ id }) => id),
    onlyAfter: after.configurations.filter((one) => !known.has(keyOf(one))).map(({ id }) => id),
  };
}

function keyOf({ parameters }: ConfigurationResult): string {
  return JSON.stringify(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)));
}

type Found = Omit<Change, "adjustedP" | "verdict"> & { readonly p: number };

function differencesOf(one: ConfigurationResult, other: ConfigurationResult): readonly Found[] {
  const metrics = Object.keys(one.samples ?? {}) as MetricName[];
  return metrics.flatMap((metric) => {
    const difference = pairedDifference(other.samples?.[metric] ?? [], one.samples?.[metric] ?? []);
    if (difference === null) return [];
    return [
      {
        id: one.id,
        metric,
        before: one.metrics[metric]?.mean ?? Number.NaN,
        after: other.metrics[metric]?.mean ?? Number.NaN,
        difference: difference.mean,
        halfWidth95: halfWidth95(difference),
        pairs: difference.pairs,
        p: pValue(difference),
      },
    ];
  });
}

function verdictOf(
  { metric, before, difference }: Pick<Change, "metric" | "before" | "difference">,
  adjustedP: number,
  margin: number,
): Change["verdict"] {
  if (adjustedP >= SIGNIFICANT || Math.abs(difference) <= margin * Math.abs(before)) {
    return "no difference shown";
  }
  return difference > 0 === MORE_IS_BETTER.has(metric) ? "better" : "worse";
}
