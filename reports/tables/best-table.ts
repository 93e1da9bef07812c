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
import { type Cell, figureCell, type Table } from "./table.ts";

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
  const rows: (readonly Cell[])[] = [];
  const keys: string[] = [];
  for (const { load, members } of choices) {
    const groups = tiedGroups(members, document).toSorted(byMerit(document));
    for (const [i, tied] of groups.slice(0, BEST).entries()) {
      const [one] = tied;
      rows.push([
        {
          text:
            loadAxis === undefined ? load || "all" : parameterText(one.parameters[loadAxis.path]),
        },
        ...(short ? [] : [{ text: String(i + 1), value: i + 1, numeric: true }]),
        { text: tiedName(tied, document, short) },
        ...(judged ? [sloCell(one)] : []),
        {
          text: short ? costText(one).replace(/ replicas?/, "") : costText(one),
          value: price(one)?.mean ?? replicas(one)?.mean,
        },
        ...names.map((name) => figureCell(one, name, one.metrics[name])),
      ]);
      keys.push(
        [...new Set(tied.flatMap((each) => filterKey(filters, each.parameters).split(" ")))].join(
          " ",
        ),
      );
    }
  }
  if (rows.length === 0) return undefined;
  const all = formatCount(document.configurations.length);
  return {
    caption: `The ${BEST} best of each load, of ${all} configurations; the cheapest that meets the goal first; tied ones share a row${short ? ", +3: and three more" : ""}`,
    headings: [
      loadAxis?.title ?? "load",
      ...(short ? [] : ["rank"]),
      "configuration",
      ...(judged ? ["SLO"] : []),
      short ? "replicas, cost" : "cost",
      ...names.map(metricTitle),
    ],
    rows,
    keys,
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
