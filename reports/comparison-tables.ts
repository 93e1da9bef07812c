/** What is best among configurations that differ only in the compared parameters, and by how much. */
import type {
  Comparison,
  ConfigurationResult,
  Difference,
  ParameterKinds,
} from "../core/results.ts";
import { formatEstimate, formatNumber } from "./format.ts";
import type { Cell, Table } from "./html/table.ts";
import { metricLabel, metricTitle } from "./metric-labels.ts";
import { axisText, grouped, parameterText, type SweepAxis, sweepAxes } from "./parameters.ts";

/** What rankings read of a results document. */
export interface RankedDocument {
  readonly configurations: readonly Pick<ConfigurationResult, "id" | "parameters">[];
  readonly comparisons?: readonly Comparison[];
  readonly margin?: number;
  readonly simplestFirst?: readonly string[];
  readonly parameterKinds?: ParameterKinds;
}

/** Metrics that get faster and slower; others get less and more. */
const TIMES = /^(latency|queueWait|makespan)/;

/** The comparisons of one group of configurations, one per metric. */
export interface Group {
  readonly where: string;
  /** One or more; members are the same in all. */
  readonly comparisons: readonly Comparison[];
}

/** How the members of a group are told apart: by the compared parameters' values. */
export function memberNames(
  document: RankedDocument,
): (comparison: Comparison, id: string) => string {
  const byId = new Map(document.configurations.map((one) => [one.id, one.parameters]));
  return ({ over }, id) =>
    over.map((path) => parameterText(byId.get(id)?.[path])).join(" · ") || id;
}

export function groupsOf(document: RankedDocument, axes: readonly SweepAxis[]): readonly Group[] {
  const groups = grouped(document.comparisons ?? [], ({ fixed }) => JSON.stringify(fixed));
  return [...groups.values()].map((comparisons) => {
    const [{ fixed }] = comparisons;
    const shown = axes.filter((axis) => axis.path in fixed);
    return { where: shown.map((axis) => axisText(axis, fixed)).join(" · "), comparisons };
  });
}

const VERDICTS = {
  best: { text: "best", state: "good" },
  "not distinguishable": { text: "tied", state: "warn" },
  worse: { text: "", state: undefined },
} as const;

/** "best", "+0.1 ± 0.3 tied" or "+3.1 ± 0.4": the distance to the one in the lead. */
function standingCell(comparison: Comparison, id: string, lead: string): Cell {
  const member = comparison.members.find((one) => one.id === id);
  if (member === undefined) return { text: "—" };
  const { text, state } = VERDICTS[member.verdict];
  const difference = comparison.differences.find(({ a, b }) => a === lead && b === id);
  const { scale } = metricLabel(comparison.metric);
  const mean = -(difference?.mean ?? 0);
  const distance =
    difference === undefined
      ? ""
      : `${mean > 0 ? "+" : ""}${formatEstimate({ ...difference, mean }, scale)}`;
  if (difference?.mean === 0 && difference.halfWidth95 === 0) {
    return { text: `the same, ${text}`, value: member.mean };
  }
  const words = [distance, text].filter((word) => word !== "").join(" ");
  return { text: words, value: member.mean, ...(state && { state }) };
}

/** The member with the best mean: the first of every difference with it. */
export function leaderOf({ differences, members }: Comparison): string {
  return differences[0]?.a ?? members[0].id;
}

/** "“tied”: not shown to be more than 1% worse than the best …" */
export function tieLegend({ margin = 0 }: RankedDocument): string {
  const more = margin === 0 ? "" : `more than ${formatNumber(margin * 100)}% `;
  return `“tied”: not shown to be ${more}worse than the best (multiple comparisons with the best, 95%)`;
}

export function rankingLegend(document: RankedDocument): string {
  const distance =
    "distance to the best mean ± half width of the paired difference’s 95% confidence interval";
  return `${distance}; ${tieLegend(document)}`;
}

/** One row per compared configuration; undefined when nothing is compared. */
export function rankingTable(document: RankedDocument): Table | undefined {
  const axes = sweepAxes(document);
  const groups = groupsOf(document, axes);
  const first = groups[0]?.comparisons;
  if (first === undefined) return undefined;
  const nameOf = memberNames(document);
  const metrics = [...new Set((document.comparisons ?? []).map(({ metric }) => metric))];
  const over = axes.filter((axis) => first[0].over.includes(axis.path));
  const heading = over.map((axis) => axis.title).join(" · ");
  const single = groups.every(({ where }) => where === "");
  const rows = groups.flatMap(({ where, comparisons }) =>
    comparisons[0].members.map(({ id }): Cell[] => [
      ...(single ? [] : [{ text: where }]),
      { text: nameOf(comparisons[0], id) },
      ...metrics.map((metric) => {
        const comparison = comparisons.find((one) => one.metric === metric);
        if (comparison === undefined) return { text: "—" };
        return standingCell(comparison, id, leaderOf(comparison));
      }),
    ]),
  );
  return {
    caption: `Which is best; ${rankingLegend(document)}`,
    headings: [...(single ? [] : ["where"]), heading, ...metrics.map(metricTitle)],
    rows,
  };
}

/** How the one in the lead and another stand to each other, in the words of the ranking. */
function sentence(
  { metric, members }: Comparison,
  difference: Difference,
  [lead, other]: readonly [string, string],
): string {
  const { text, unit, scale } = metricLabel(metric);
  const size = formatEstimate({ ...difference, mean: Math.abs(difference.mean) }, scale);
  const amount = unit === "%" ? `${size} points` : unit === "" ? size : `${size} ${unit}`;
  if (members.find(({ id }) => id === difference.b)?.verdict !== "worse") {
    return `${text}: ${lead} and ${other} are not distinguishable (${amount})`;
  }
  const less = difference.mean < 0;
  if (TIMES.test(metric)) {
    return `${text}: ${lead} is ${amount} ${less ? "faster" : "slower"} than ${other}`;
  }
  return `${text}: ${lead} has ${amount} ${less ? "less" : "more"} than ${other}`;
}

/**
 * "p99 latency: power-of-two is 3.1 ± 0.4 ms faster than fifo": what is in the lead against each other,
 * where that takes at most `most` sentences.
 */
export function comparisonSentences(document: RankedDocument, most: number): readonly string[] {
  const axes = sweepAxes(document);
  const nameOf = memberNames(document);
  const sentences = groupsOf(document, axes).flatMap(({ where, comparisons }) =>
    comparisons.flatMap((comparison) => {
      const lead = leaderOf(comparison);
      const name = (id: string) => nameOf(comparison, id);
      return comparison.differences
        .filter(({ a }) => a === lead)
        .map((one) => sentence(comparison, one, [name(one.a), name(one.b)]))
        .map((text) => (where === "" ? text : `${where}: ${text}`));
    }),
  );
  return sentences.length > most ? [] : sentences;
}
