/** The best of a sweep: a short ranking for each load, with ties in one row. */
import type { ConfigurationResult, ResultsDocument } from "../../core/results.ts";
import { formatCount, isUnstable, metricTitle } from "./format.ts";
import {
  attainedBy,
  choicesOf,
  costText,
  either,
  marginOf,
  price,
  replicas,
  sloMetric,
} from "./goals.ts";
import {
  axesText,
  axisText,
  bySimplicity,
  filterKey,
  filtersOf,
  grouped,
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
      .toSorted(byMerit(document))
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
  const caption = `The ${BEST} best of each load, of ${all} configurations; the cheapest that meets the goal first; tied ones share a row${short ? ", +3: and three more" : ""}`;
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

/** The goal's quantile, the mean and the attainment. */
function metricNames(document: ResultsDocument) {
  const wanted = [
    ...[sloMetric(document.slo) ?? "latencyP99Ms", "latencyMeanMs"],
    ...["sloAttainmentRatio", "utilizationRatio"],
  ] as const;
  return wanted.filter((name) =>
    document.configurations.some((one) => one.metrics[name]),
  ) as (keyof ConfigurationResult["metrics"])[];
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
  const name = sloMetric(document.slo) ?? "latencyP99Ms";
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

/** Those that meet the goal, the cheapest first; then by how far they attain it; overload last. */
function byMerit(document: ResultsDocument): (a: Tied, b: Tied) => number {
  const rank = ([one]: Tied) => (isUnstable(one) ? 2 : one.slo === "meets" ? 0 : 1);
  const name = sloMetric(document.slo) ?? "latencyP99Ms";
  const cost = ([one]: Tied) => price(one)?.mean ?? 0;
  const count = ([one]: Tied) => replicas(one)?.mean ?? 0;
  const latency = ([one]: Tied) => one.metrics[name]?.mean ?? Number.POSITIVE_INFINITY;
  const margin = ([one]: Tied) => {
    const [attained] = attainedBy(one, document);
    return attained === undefined ? 0 : marginOf(attained);
  };
  return (a, b) =>
    rank(a) - rank(b) ||
    (rank(a) === 0
      ? cost(a) - cost(b) || count(a) - count(b) || latency(a) - latency(b)
      : margin(b) - margin(a) || latency(a) - latency(b));
}
