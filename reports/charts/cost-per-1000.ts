/** The price of 1,000 answered requests over the load, a line for each cluster shape. */
import type { TopLevelSpec } from "vega-lite";
import type { ConfigurationResult, ResultsDocument } from "../../core/results.ts";
import { figureText, formatNumber, plural } from "../tables/format.ts";
import { choicesOf } from "../tables/goals.ts";
import {
  axesText,
  configurationLabel,
  grouped,
  parameterText,
  type SweepAxis,
  sweepAxes,
} from "../tables/parameters.ts";
import {
  byName,
  type Encoding,
  keysOf,
  type Layer,
  mergedEqual,
  points,
  spreadAround,
  titled,
  withoutScheduler,
  xEncoding,
} from "./encodings.ts";
import { positiveAxis } from "./theme.ts";

const MOST_LINES = 8;

function rowsOf(document: ResultsDocument, load: SweepAxis) {
  const axes = sweepAxes(document);
  const shape = axes.filter(({ kind }) => kind === "replicas" || kind === "shape");
  const keyOf = keysOf(document);
  const lineOf = (one: ConfigurationResult) => axesText(shape, one.parameters) || "the cluster";
  const chosen = new Set(choicesOf(document).flatMap(({ best }) => best.map(lineOf)));
  const known = document.configurations.filter((one) => one.metrics.costPer1000Requests);
  const lines = [...new Set(known.map(lineOf))];
  const kept = spreadAround(lines, (line) => chosen.has(line), MOST_LINES);
  const shown = known.filter((one) => kept.includes(lineOf(one)));
  const groups = grouped(
    shown,
    (one) => `${lineOf(one)}|${parameterText(one.parameters[load.path])}`,
  );
  return [...groups.values()].map((ones) => {
    // Schedulers cost the same, and differ in whether they meet the goal.
    const one = ones.find(({ slo }) => slo === "meets") ?? ones[0];
    const estimate = one.metrics.costPer1000Requests;
    const meets = one.slo === "meets";
    const text = figureText(one, "costPer1000Requests", estimate);
    return {
      x: Number(one.parameters[load.path]),
      cost: estimate?.mean ?? Number.NaN,
      line: lineOf(one),
      meets: meets ? "meets the goal" : "does not",
      key: withoutScheduler(keyOf(one.parameters)),
      tip: `${configurationLabel(one, axes)}; ${text} per 1,000 requests; ${meets ? "meets the goal" : "does not meet the goal"}`,
    };
  });
}

/** Undefined unless machines have prices and a numeric load is swept. */
export function costPer1000(document: ResultsDocument): TopLevelSpec | undefined {
  const load = sweepAxes(document).find((axis) => axis.kind === "load" && axis.isNumeric);
  if (load === undefined) return undefined;
  const rows = mergedEqual(
    rowsOf(document, load).toSorted((a, b) => a.x - b.x),
    ({ x, cost, meets }) => [x, formatNumber(cost, 4), meets],
  );
  if (rows.length < 2) return undefined;
  const lines = [...new Set(rows.map((row) => row.line))];
  const y = positiveAxis(
    rows.map((row) => row.cost),
    "",
    "",
  );
  const at: Encoding = {
    ...xEncoding(load),
    y: { ...y, title: "cost per 1,000 requests", field: "cost" },
    color: {
      ...byName("line", lines),
      legend: { orient: "bottom", direction: "vertical", columns: 2, labelLimit: 460 },
    },
  };
  const layer: Layer[] = [
    { mark: { type: "line", strokeWidth: 1.5, aria: false }, encoding: at },
    points(
      {
        ...at,
        shape: byName("meets", ["meets the goal", "does not"], ["circle", "cross"]),
      },
      60,
    ),
  ];
  return {
    ...titled(
      "Cost per 1,000 requests",
      "of answered requests, by shape; crosses: the goal is not shown to be met",
    ),
    description: `Cost per 1,000 requests by ${load.title} of ${plural(lines.length, "shape")}.`,
    data: { values: [...rows] },
    width: 920,
    height: 240,
    layer,
  };
}
