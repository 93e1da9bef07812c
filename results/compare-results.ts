/** Comparisons of two results of one scenario: did a change matter? */

import type { MetricName } from "../engine/metrics/figures.ts";
import type { Parameter } from "../scenario/sweep/parameter-columns.ts";
import { changedApart, differencesOf, MORE_IS_BETTER, type Pair, SIGNIFICANT } from "./compare.ts";
import type { ConfigurationResult, ResultsDocument } from "./documents.ts";

/** One metric of a configuration, before and after a change. */
interface Change {
  /** Id of the configuration, and its parameters, as they were before. */
  readonly id: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
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

interface Changes {
  readonly changes: readonly Change[];
  /** Configurations that one of the two has alone. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** Configurations of both that are overloaded on one side: their figures estimate nothing. */
  readonly overloadedBefore: readonly string[];
  readonly overloadedAfter: readonly string[];
  /** Rates that differ and were matched by their share of capacity. */
  readonly shares: readonly ShareOfBoth[];
}

interface ShareOfBoth {
  readonly ofCapacity: number;
  readonly beforePerS: number;
  readonly afterPerS: number;
}

/**
 * Did a change matter? Configurations with the same swept values are compared metric by metric; rates that were given as
 * shares of capacity are the same where the shares are.
 * Replication i of both sides met the same requests if the seeds are the same: that is what the
 * pairs rest on. `margin` is the share of the value before up to which a difference is none.
 */
export function compareResults(
  before: ResultsDocument,
  after: ResultsDocument,
  margin: number,
): Changes {
  const shares = sharesOfBoth(before, after);
  const [old, young] = [before, after].map((document) => {
    const rateOf = document === before ? "beforePerS" : "afterPerS";
    const shareOf = (rate: Parameter) => shares.find((one) => one[rateOf] === rate)?.ofCapacity;
    return new Map(document.configurations.map((one) => [valuesOf(one, shareOf), one]));
  });
  const both = [...old].flatMap(([values, one]) => {
    const other = young.get(values);
    return other === undefined ? [] : [{ one, other }];
  });
  const isOverloaded = ({ stability }: ConfigurationResult) => stability === "unstable";
  const pairs = both.flatMap(({ one, other }) =>
    isOverloaded(one) || isOverloaded(other) ? [] : pairsByMetric(one, other),
  );
  return {
    changes: differencesOf(pairs).map(({ of, difference: { mean, ...difference } }) => ({
      ...of,
      difference: mean,
      ...difference,
      verdict: verdictOf(of, mean, difference.adjustedP, margin),
    })),
    overloadedBefore: both.flatMap(({ one }) => (isOverloaded(one) ? [one.id] : [])),
    overloadedAfter: both.flatMap(({ other }) => (isOverloaded(other) ? [other.id] : [])),
    shares: shares.filter(({ beforePerS, afterPerS }) => beforePerS !== afterPerS),
    onlyBefore: [...old].flatMap(([values, { id }]) => (young.has(values) ? [] : [id])),
    onlyAfter: [...young].flatMap(([values, { id }]) => (old.has(values) ? [] : [id])),
  };
}

/** Shares of capacity that both results were given. */
function sharesOfBoth(before: ResultsDocument, after: ResultsDocument): readonly ShareOfBoth[] {
  return (before.capacity?.shares ?? []).flatMap(({ ofCapacity, ratePerS }) => {
    const other = after.capacity?.shares.find((one) => one.ofCapacity === ofCapacity);
    return other === undefined
      ? []
      : [{ ofCapacity, beforePerS: ratePerS, afterPerS: other.ratePerS }];
  });
}

function valuesOf(
  { parameters }: ConfigurationResult,
  shareOf: (rate: Parameter) => number | undefined,
): string {
  const values = Object.entries(parameters).map(([path, value]) => {
    const share = path.endsWith("ratePerS") ? shareOf(value) : undefined;
    return [path, share === undefined ? value : { ofCapacity: share }] as const;
  });
  return JSON.stringify(values.sort(([a], [b]) => (a < b ? -1 : 1)));
}

type Figures = Pick<Change, "id" | "parameters" | "metric" | "before" | "after">;

function pairsByMetric(one: ConfigurationResult, other: ConfigurationResult): Pair<Figures>[] {
  const metrics = Object.keys(one.samples ?? {}) as MetricName[];
  return metrics.map((metric) => {
    const [before, after] = [one, other].map(({ metrics: of }) => of[metric]?.mean ?? Number.NaN);
    const [b, a] = [one, other].map(({ samples }) => samples?.[metric] ?? []);
    const [old, young] = [one, other].map(({ inputs }) => inputs?.deviations[metric] ?? []);
    const of = { id: one.id, parameters: one.parameters, metric, before, after };
    return { of, a, b, inputs: changedApart(young, old) };
  });
}

function verdictOf(
  { metric, before }: Figures,
  difference: number,
  adjustedP: number,
  margin: number,
): Change["verdict"] {
  if (adjustedP >= SIGNIFICANT || Math.abs(difference) <= margin * Math.abs(before)) {
    return "no difference shown";
  }
  return difference > 0 === MORE_IS_BETTER.has(metric) ? "better" : "worse";
}
