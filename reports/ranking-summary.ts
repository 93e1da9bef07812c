/** Sums of many comparisons: how often each alternative is best, and which are best at each load. */
import type { Comparison, MetricName } from "../core/results.ts";
import { either } from "./cheapest.ts";
import {
  type Group,
  groupsOf,
  leaderOf,
  memberNames,
  type RankedDocument,
  tieLegend,
} from "./comparison-tables.ts";
import { formatError } from "./format.ts";
import type { Cell, Table } from "./html/table.ts";
import { metricLabel } from "./metric-labels.ts";
import { axisText, bySimplicity, grouped, sweepAxes } from "./parameters.ts";

/** One alternative over all comparisons of a metric that it is in. */
interface Tally {
  readonly name: string;
  readonly best: number;
  readonly tied: number;
  readonly worse: number;
  /** Median distance to the best mean, relative to it. */
  readonly distance: number;
}

/** Comparisons of one metric, one a group. */
function comparisonsOf(groups: readonly Group[], metric: MetricName): readonly Comparison[] {
  return groups.flatMap(({ comparisons }) => comparisons.filter((one) => one.metric === metric));
}

/** The simplest first. */
function talliesOf(comparisons: readonly Comparison[], document: RankedDocument): readonly Tally[] {
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
  return [...grouped(simplest, ({ name }) => name)].map(([name, own]): Tally => {
    const count = (wanted: string) => own.filter(({ verdict }) => verdict === wanted).length;
    const distance = median(own.map((one) => one.distance));
    const [best, tied] = [count("best"), count("not distinguishable")];
    return { name, best, tied, worse: count("worse"), distance };
  });
}

/** The most often best or tied first; of equals the nearer to the best, counted in margins. */
function byMerit({ margin = 0 }: RankedDocument): (a: Tally, b: Tally) => number {
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
  const count = (value: number): Cell => ({ text: String(value), value, numeric: true });
  return {
    caption: `How often each is best, tied or worse; ${tieLegend(document)}`,
    headings: ["metric", heading.join(" · "), "best", "tied", "worse", "median difference"],
    rows: metricsOf(document).flatMap((metric) =>
      talliesOf(comparisonsOf(groups, metric), document)
        .toSorted(byMerit(document))
        .map(({ name, best, tied, worse, distance }): Cell[] => [
          { text: metricLabel(metric).text },
          { text: name },
          ...[best, tied, worse].map(count),
          { text: distanceText(distance), value: distance, numeric: true },
        ]),
    ),
  };
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
  const byLoad = grouped(groups, (group) =>
    loads.map((axis) => axisText(axis, fixed(group))).join(", "),
  );
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
