/** What is best among configurations that differ only in the compared parameters, and by how much. */
import type { Comparison, ConfigurationResult, Difference } from "../core/results.ts";
import { formatEstimate, formatNumber } from "./format.ts";
import type { Cell, Table } from "./html/table.ts";
import { metricLabel, metricTitle } from "./metric-labels.ts";
import { axisText, parameterText, type SweepAxis, sweepAxes } from "./parameters.ts";

/** What rankings read of a results document. */
export interface RankedDocument {
  readonly configurations: readonly Pick<ConfigurationResult, "id" | "parameters">[];
  readonly comparisons?: readonly Comparison[];
}

/** Metrics that get faster and slower; others get less and more. */
const TIMES = /^(latency|queueWait|makespan)/;

/** The comparisons of one group of configurations, one per metric. */
interface Group {
  readonly where: string;
  readonly comparisons: readonly Comparison[];
}

/** How the members of a group are told apart: by the compared parameters' values. */
function memberNames(document: RankedDocument): (comparison: Comparison, id: string) => string {
  const byId = new Map(document.configurations.map((one) => [one.id, one.parameters]));
  return ({ over }, id) =>
    over.map((path) => parameterText(byId.get(id)?.[path])).join(" · ") || id;
}

function groupsOf(document: RankedDocument, axes: readonly SweepAxis[]): readonly Group[] {
  const groups = new Map<string, { where: string; comparisons: Comparison[] }>();
  for (const comparison of document.comparisons ?? []) {
    const key = JSON.stringify(comparison.fixed);
    const known = groups.get(key);
    if (known !== undefined) known.comparisons.push(comparison);
    else {
      const shown = axes.filter((axis) => axis.path in comparison.fixed);
      const where = shown.map((axis) => axisText(axis, comparison.fixed)).join(" · ");
      groups.set(key, { where, comparisons: [comparison] });
    }
  }
  return [...groups.values()];
}

const VERDICTS = {
  best: { text: "best", state: "good" },
  "not distinguishable": { text: "may be best", state: "warn" },
  worse: { text: "", state: undefined },
} as const;

/** "best", "+0.1 ± 0.3 may be best" or "+3.1 ± 0.4": the distance to the one in the lead. */
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
    return { text: `the same; ${text}`, value: member.mean };
  }
  const words = [distance, text].filter((word) => word !== "").join(" ");
  return { text: words, value: member.mean, ...(state && { state }) };
}

/** The member with the best mean: the first of every difference with it. */
function leaderOf({ differences, members }: Comparison): string {
  return differences[0]?.a ?? members[0].id;
}

export const RANKING_LEGEND =
  "distance to the best mean ± half width of the paired difference’s 95% confidence interval; " +
  "“may be best”: not distinguishable from the best (multiple comparisons with the best, 95%)";

/** One row per compared configuration; undefined when nothing is compared. */
export function rankingTable(document: RankedDocument): Table | undefined {
  const axes = sweepAxes(document.configurations);
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
    caption: `Which is best; ${RANKING_LEGEND}`,
    headings: [...(single ? [] : ["where"]), heading, ...metrics.map(metricTitle)],
    rows,
  };
}

function sentence(comparison: Comparison, difference: Difference, a: string, b: string): string {
  const { text, unit, scale } = metricLabel(comparison.metric);
  const size = formatEstimate({ ...difference, mean: Math.abs(difference.mean) }, scale);
  const amount = unit === "%" ? `${size} points` : unit === "" ? size : `${size} ${unit}`;
  if (!difference.distinguishable) {
    return `${text}: ${a} and ${b} are not distinguishable (${amount})`;
  }
  const less = difference.mean < 0;
  if (TIMES.test(comparison.metric)) {
    return `${text}: ${a} is ${amount} ${less ? "faster" : "slower"} than ${b}`;
  }
  return `${text}: ${a} has ${amount} ${less ? "less" : "more"} than ${b}`;
}

/** "p99 latency: power-of-two is 3.1 ± 0.4 ms faster than fifo", for at most `most` differences. */
export function comparisonSentences(document: RankedDocument, most: number): readonly string[] {
  const comparisons = document.comparisons ?? [];
  const count = comparisons.reduce((sum, { differences }) => sum + differences.length, 0);
  if (count === 0 || count > most) return [];
  const axes = sweepAxes(document.configurations);
  const nameOf = memberNames(document);
  return groupsOf(document, axes).flatMap(({ where, comparisons: group }) =>
    group.flatMap((comparison) =>
      comparison.differences.map((difference) => {
        const text = sentence(
          comparison,
          difference,
          nameOf(comparison, difference.a),
          nameOf(comparison, difference.b),
        );
        return where === "" ? text : `${where}: ${text}`;
      }),
    ),
  );
}

/** How often each compared setting is best, or may be: what many groups come to. */
export function bestCounts(document: RankedDocument): readonly string[] {
  const nameOf = memberNames(document);
  const metrics = [...new Set((document.comparisons ?? []).map(({ metric }) => metric))];
  return metrics.map((metric) => {
    const counts = new Map<string, { best: number; may: number; of: number }>();
    for (const comparison of document.comparisons ?? []) {
      if (comparison.metric !== metric) continue;
      for (const { id, verdict } of comparison.members) {
        const name = nameOf(comparison, id);
        const count = counts.get(name) ?? { best: 0, may: 0, of: 0 };
        count.of++;
        if (verdict === "best") count.best++;
        if (verdict === "not distinguishable") count.may++;
        counts.set(name, count);
      }
    }
    const texts = [...counts]
      .sort(([, x], [, y]) => y.best - x.best || y.may - x.may)
      .slice(0, MOST_NAMES)
      .map(([name, { best, may, of }]) => `${name} ${best} + ${may} of ${formatNumber(of, 6)}`);
    return `${metricLabel(metric).text}, best + may be best: ${texts.join(" · ")}`;
  });
}

const MOST_NAMES = 6;
