/**
 * Rankings: the best configurations of each load, with ties in one row; and configurations that differ only in the
 * compared parameters, each comparison and their sums.
 */

import { grouped } from "../../engine/basics/iterables.ts";
import type { MetricName } from "../../engine/metrics/figures.ts";
import type {
  Comparison,
  ConfigurationResult,
  Difference,
  ResultsDocument,
} from "../../results/documents.ts";
import {
  formatCount,
  formatError,
  formatEstimate,
  formatNumber,
  isUnstable,
  joined,
  metricLabel,
  metricTitle,
} from "./format.ts";
import {
  attainedBy,
  byCost,
  choicesOf,
  costText,
  either,
  latencyOf,
  marginOf,
  price,
  replicas,
} from "./goals.ts";
import {
  axesText,
  axisText,
  bySimplicity,
  filterKey,
  filtersOf,
  parameterText,
  type SweepAxis,
  sweepAxes,
} from "./parameters.ts";
import { sloCell } from "./result-tables.ts";
import { type Cell, type Column, figureCell, numberCell, type Table, tableOf } from "./table.ts";

const BEST = 10;
const MOST_LOADS = 30;

/** Configurations of one shape that cannot be told apart, the simplest scheduler first. */
type Tied = readonly ConfigurationResult[];

/** Larger sweeps are shown by their best. */
export const MANY_CONFIGURATIONS = 40;

/** The ten best of each load; undefined for an empty document. `short`: one line a row, ties counted but not named. */
export function bestTable(document: ResultsDocument, short = false): Table | undefined {
  const choices = choicesOf(document).slice(0, MOST_LOADS);
  const filters = filtersOf(document);
  const names = metricNames(document);
  const judged = document.configurations.some((one) => one.slo !== undefined);
  const loads = sweepAxes(document).filter(({ kind }) => kind === "load");
  const loadAxis = loads.length === 1 ? loads[0] : undefined;
  const rows = choices.flatMap(({ load, members }) =>
    tiedGroups(members, document)
      .toSorted(tiedByMerit(document))
      .slice(0, BEST)
      .map((tied, i) => ({ load, tied, one: tied[0], rank: i + 1 })),
  );
  if (rows.length === 0) return undefined;
  const loadOf = ({ load, one: { parameters } }: (typeof rows)[number]) =>
    loadAxis === undefined ? load || "all" : parameterText(parameters[loadAxis.path]);
  const costCell = (one: ConfigurationResult): Cell => {
    const text = short ? costText(one).replace(/ replicas?/, "") : costText(one);
    return { text, value: price(one)?.mean ?? replicas(one)?.mean };
  };
  const keysOf = (tied: Tied) =>
    tied.flatMap((each) => filterKey(filters, each.parameters).split(" "));
  const all = formatCount(document.configurations.length);
  const caption = `The ${BEST} best of each load, of ${all} configurations; the cheapest that meets the SLO first; tied ones share a row${short ? ", +3: and three more" : ""}`;
  return {
    ...tableOf(caption, rows, [
      [loadAxis?.title ?? "load", (row) => ({ text: loadOf(row) })],
      !short && ["rank", ({ rank }) => numberCell(String(rank), rank)],
      ["configuration", ({ tied }) => ({ text: tiedName(tied, document, short) })],
      judged && ["SLO", ({ one }) => sloCell(one)],
      [short ? "replicas, cost" : "cost", ({ one }) => costCell(one)],
      ...names.map((name): Column<(typeof rows)[number]> => {
        return [metricTitle(name), ({ one }) => figureCell(one, name, one.metrics[name])];
      }),
    ]),
    keys: rows.map(({ tied }) => [...new Set(keysOf(tied))].join(" ")),
  };
}

/** The SLO's quantile, the mean and the attainment. */
function metricNames(document: ResultsDocument): readonly MetricName[] {
  const more = ["latencyMeanMs", "sloAttainmentRatio", "utilizationRatio"] as const;
  const wanted = [latencyOf(document), ...more];
  return wanted.filter((name) => document.configurations.some((one) => one.metrics[name]));
}

function tiedGroups(
  members: readonly ConfigurationResult[],
  document: ResultsDocument,
): readonly Tied[] {
  const axes = sweepAxes(document).filter(({ kind }) => kind !== "load" && kind !== "scheduler");
  const simplest = members.toSorted(bySimplicity(document));
  const shapes = grouped(simplest, (one) => axesText(axes, one.parameters));
  return [...shapes.values()].flatMap((own) => [
    ...grouped(own, (one) => tieKey(one, own, document)).values(),
  ]);
}

/** Equal for those whose intervals overlap with that of the shape's best in the same state. */
function tieKey(
  one: ConfigurationResult,
  own: readonly ConfigurationResult[],
  document: ResultsDocument,
): string {
  const name = latencyOf(document);
  const stateOf = (each: ConfigurationResult) => (isUnstable(each) ? "unstable" : (each.slo ?? ""));
  const state = stateOf(one);
  const alike = own.filter((each) => stateOf(each) === state);
  const of = (each: ConfigurationResult) => each.metrics[name] ?? { mean: 0, halfWidth95: 0 };
  const best = alike.toSorted((a, b) => of(a).mean - of(b).mean)[0];
  const apart = of(one).mean - of(best).mean;
  const isTied = isUnstable(one) || apart <= of(one).halfWidth95 + of(best).halfWidth95;
  return isTied ? state : `${state} ${one.id}`;
}

function tiedName(tied: Tied, document: ResultsDocument, short: boolean): string {
  const axes = sweepAxes(document).filter(({ kind }) => kind !== "load");
  const text = (axis: SweepAxis) => {
    const names = [...new Set(tied.map((one) => axisText(axis, one.parameters)))];
    if (!short) return either(names);
    return names.length === 1 ? names[0] : `${names[0]} +${names.length - 1}`;
  };
  return axes.length === 0 ? tied[0].id : axes.map(text).join(" · ");
}

/** Those that meet the SLO, the cheapest first; then by how far they attain it; overload last. */
function tiedByMerit(document: ResultsDocument): (a: Tied, b: Tied) => number {
  const rank = ([one]: Tied) => (isUnstable(one) ? 2 : one.slo === "meets" ? 0 : 1);
  const name = latencyOf(document);
  const latency = ([one]: Tied) => one.metrics[name]?.mean ?? Number.POSITIVE_INFINITY;
  const margin = ([one]: Tied) => {
    const [attained] = attainedBy(one, document);
    return attained === undefined ? 0 : marginOf(attained);
  };
  return (a, b) =>
    rank(a) - rank(b) ||
    (rank(a) === 0
      ? byCost(a[0], b[0]) || latency(a) - latency(b)
      : margin(b) - margin(a) || latency(a) - latency(b));
}

/** The part of a results document that rankings read. */
export interface RankedDocument
  extends Pick<ResultsDocument, "comparisons" | "margin" | "simplestFirst" | "parameterKinds"> {
  readonly configurations: readonly Pick<ConfigurationResult, "id" | "parameters">[];
}

/** Metrics that get faster and slower; others get less and more. */
const TIMES = /^(latency|queueWait|makespan)/;

/** The comparisons of one group of configurations, one per metric. */
interface Group {
  readonly where: string;
  /** Not empty; all have the same members. */
  readonly comparisons: readonly Comparison[];
}

/** Names of a group's members: the compared parameters' values. */
function memberNames(document: RankedDocument): (comparison: Comparison, id: string) => string {
  const byId = new Map(document.configurations.map((one) => [one.id, one.parameters]));
  return ({ over }, id) =>
    over.map((path) => parameterText(byId.get(id)?.[path])).join(" · ") || id;
}

function groupsOf(document: RankedDocument, axes: readonly SweepAxis[]): readonly Group[] {
  const groups = grouped(document.comparisons ?? [], ({ fixed }) => JSON.stringify(fixed));
  return [...groups.values()].map((comparisons) => {
    const [{ fixed }] = comparisons;
    const shown = axes.filter((axis) => axis.path in fixed);
    return { where: axesText(shown, fixed), comparisons };
  });
}

const VERDICTS = {
  best: { text: "best", state: "good" },
  "not distinguishable": { text: "tied", state: "warn" },
  worse: { text: "", state: undefined },
} as const;

/** "best", "+0.1 ± 0.3 tied" or "+3.1 ± 0.4": the distance to the one in the lead. */
function standingCell(comparisons: readonly Comparison[], metric: MetricName, id: string): Cell {
  const comparison = comparisons.find((one) => one.metric === metric);
  const member = comparison?.members.find((one) => one.id === id);
  if (comparison === undefined || member === undefined) return { text: "—" };
  const lead = leaderOf(comparison);
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
  return { text: joined([distance, text], " "), value: member.mean, ...(state && { state }) };
}

/** The member with the best mean: the first of every difference with it. */
function leaderOf({ differences, members }: Comparison): string {
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
  const over = axes.filter((axis) => first[0].over.includes(axis.path));
  const heading = over.map((axis) => axis.title).join(" · ");
  const members = groups.flatMap(({ where, comparisons }) =>
    comparisons[0].members.map(({ id }) => ({ where, comparisons, id })),
  );
  return tableOf(`Which is best; ${rankingLegend(document)}`, members, [
    groups.some(({ where }) => where !== "") && ["where", ({ where }) => ({ text: where })],
    [heading, ({ comparisons: [one], id }) => ({ text: nameOf(one, id) })],
    ...metricsOf(document).map((metric): Column<(typeof members)[number]> => {
      return [metricTitle(metric), ({ comparisons, id }) => standingCell(comparisons, metric, id)];
    }),
  ]);
}

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

/** "p99 latency: a is 3.1 ± 0.4 ms faster than b" for each leader, where that takes at most `most` sentences. */
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

/** An alternative over all comparisons of a metric that it is in. */
type Tally = ReturnType<typeof talliesOf>[number];

function comparisonsOf(groups: readonly Group[], metric: MetricName): readonly Comparison[] {
  return groups.flatMap(({ comparisons }) => comparisons.filter((one) => one.metric === metric));
}

/** The simplest first. `distance`: the median distance to the best mean, relative to it. */
function talliesOf(comparisons: readonly Comparison[], document: RankedDocument) {
  const nameOf = memberNames(document);
  const byId = new Map(document.configurations.map((one) => [one.id, one.parameters]));
  const all = comparisons.flatMap((comparison) => {
    const lead = leaderOf(comparison);
    const best = comparison.members.find(({ id }) => id === lead)?.mean ?? Number.NaN;
    return comparison.members.map(({ id, mean, verdict }) => ({
      name: nameOf(comparison, id),
      parameters: byId.get(id) ?? {},
      verdict,
      distance: mean === best ? 0 : (mean - best) / Math.abs(best),
    }));
  });
  const simplest = all.toSorted(bySimplicity(document));
  return [...grouped(simplest, ({ name }) => name)].map(([name, own]) => {
    const count = (wanted: string) => own.filter(({ verdict }) => verdict === wanted).length;
    const distance = median(own.map((one) => one.distance));
    const [best, tied] = [count("best"), count("not distinguishable")];
    return { name, best, tied, worse: count("worse"), distance };
  });
}

/** The most often best or tied first; of equals the nearer to the best, counted in margins. */
function talliesByMerit({ margin = 0 }: RankedDocument): (a: Tally, b: Tally) => number {
  const margins = ({ distance }: Tally) => Math.floor(Math.abs(distance) / Math.max(margin, 1e-3));
  return (a, b) => good(b) - good(a) || b.best - a.best || margins(a) - margins(b);
}

function good({ best, tied }: Tally): number {
  return best + tied;
}

/** Without the sign of what rounds to nothing. */
function distanceText(distance: number): string {
  return formatError(Math.round(distance * 1000) / 1000);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [(sorted.length - 1) >> 1, sorted.length >> 1];
  return (sorted[low] + sorted[high]) / 2;
}

function metricsOf({ comparisons = [] }: RankedDocument): readonly MetricName[] {
  return [...new Set(comparisons.map(({ metric }) => metric))];
}

/** One row a metric and alternative; undefined for one group, whose ranking says it all. */
export function rankingSummary(document: RankedDocument): Table | undefined {
  const axes = sweepAxes(document);
  const groups = groupsOf(document, axes);
  if (groups.length < 2) return undefined;
  const { over } = groups[0].comparisons[0];
  const heading = axes.flatMap(({ path, title }) => (over.includes(path) ? title : []));
  const tallies = metricsOf(document).flatMap((metric) =>
    talliesOf(comparisonsOf(groups, metric), document)
      .toSorted(talliesByMerit(document))
      .map((tally) => ({ metric, ...tally })),
  );
  return tableOf(`How often each is best, tied or worse; ${tieLegend(document)}`, tallies, [
    ["metric", ({ metric }) => ({ text: metricLabel(metric).text })],
    [heading.join(" · "), ({ name }) => ({ text: name })],
    ...(["best", "tied", "worse"] as const).map((verdict): Column<Tally> => {
      return [verdict, ({ [verdict]: count }) => numberCell(String(count), count)];
    }),
    ["median difference", ({ distance }) => numberCell(distanceText(distance), distance)],
  ]);
}

/** Per load the alternatives that are most often best or tied; undefined unless a load is swept. */
export function winnersTable(document: RankedDocument): Table | undefined {
  const axes = sweepAxes(document);
  const groups = groupsOf(document, axes);
  const fixed = ({ comparisons: [first] }: Group) => first.fixed;
  const loads = axes.filter(
    ({ path, kind }) => kind === "load" && groups.every((g) => path in fixed(g)),
  );
  if (loads.length === 0 || groups.length < 2) return undefined;
  const metrics = metricsOf(document);
  const byLoad = grouped(groups, (group) => axesText(loads, fixed(group), ", "));
  return {
    caption: `Which are best or tied at each load; ${tieLegend(document)}`,
    headings: ["best or tied at", ...metrics.map((metric) => metricLabel(metric).text)],
    rows: [...byLoad].map(([load, own]) => [
      { text: load },
      ...metrics.map((metric) => ({ text: winnersText(comparisonsOf(own, metric), document) })),
    ]),
  };
}

function winnersText(comparisons: readonly Comparison[], document: RankedDocument): string {
  const tallies = talliesOf(comparisons, document);
  const most = Math.max(0, ...tallies.map(good));
  const names = tallies.filter((one) => good(one) === most).map(({ name }) => name);
  const of = most === comparisons.length ? "" : ` in ${most} of ${comparisons.length}`;
  return names.length === 0 ? "—" : `${either(names)}${of}`;
}
