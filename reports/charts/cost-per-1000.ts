/** The price of 1,000 answered requests over the load, a line for each cluster shape. */
import type { TopLevelSpec } from "vega-lite";
import type { ConfigurationResult, ResultsDocument } from "../../core/results.ts";
import { figureText, formatNumber, plural } from "../tables/format.ts";
import { choicesOf } from "../tables/goals.ts";
import {
  axisText,
  configurationLabel,
  grouped,
  parameterText,
  type SweepAxis,
  sweepAxes,
} from "../tables/parameters.ts";
import { type Encoding, keysOf, type Layer, points, spread, xEncoding } from "./encodings.ts";
import { CONFIG, cycle, PALETTE, positiveAxis, SCHEMA } from "./theme.ts";

const MOST_LINES = 8;

interface Row {
  readonly x: number;
  readonly cost: number;
  readonly line: string;
  readonly meets: string;
  readonly key: string;
  readonly tip: string;
}

/** The best of one shape and load: schedulers cost the same, and differ in whether they meet the goal. */
function bestOf(ones: readonly ConfigurationResult[]): ConfigurationResult {
  return ones.find((one) => one.slo === "meets") ?? ones[0];
}

function rowsOf(document: ResultsDocument, load: SweepAxis): readonly Row[] {
  const axes = sweepAxes(document);
  const shape = axes.filter(({ kind }) => kind === "replicas" || kind === "shape");
  const keyOf = keysOf(document);
  const lineOf = (one: ConfigurationResult) =>
    shape.map((axis) => axisText(axis, one.parameters)).join(" · ") || "the cluster";
  const chosen = new Set(choicesOf(document).flatMap(({ best }) => best.map(lineOf)));
  const known = document.configurations.filter((one) => one.metrics.costPer1000Requests);
  const lines = [...new Set(known.map(lineOf))];
  const first = spread([...chosen], MOST_LINES);
  const rest = spread(
    lines.filter((line) => !chosen.has(line)),
    Math.max(0, MOST_LINES - first.length),
  );
  const shown = known.filter((one) => first.includes(lineOf(one)) || rest.includes(lineOf(one)));
  const groups = grouped(
    shown,
    (one) => `${lineOf(one)}|${parameterText(one.parameters[load.path])}`,
  );
  return [...groups.values()].map((ones): Row => {
    const one = bestOf(ones);
    const estimate = one.metrics.costPer1000Requests;
    const meets = one.slo === "meets";
    const text = figureText(one, "costPer1000Requests", estimate);
    return {
      x: Number(one.parameters[load.path]),
      cost: estimate?.mean ?? Number.NaN,
      line: lineOf(one),
      meets: meets ? "meets the goal" : "does not",
      key: keyOf(one.parameters).replace(/s\d+ ?/, ""),
      tip: `${configurationLabel(one, axes)}; ${text} per 1,000 requests; ${meets ? "meets the goal" : "does not meet the goal"}`,
    };
  });
}

/** Lines that are equal are one. */
function merged(rows: readonly Row[]): readonly Row[] {
  const lines = [...grouped(rows, (row) => row.line)];
  const equal = grouped(lines, ([, own]) =>
    JSON.stringify(own.map(({ x, cost, meets }) => [x, formatNumber(cost, 4), meets]).toSorted()),
  );
  return [...equal.values()].flatMap((same) => {
    const line = same.map(([name]) => name).join(" = ");
    return same[0][1].map((row) => ({ ...row, line }));
  });
}

/** Undefined unless machines have prices and a numeric load is swept. */
export function costPer1000(document: ResultsDocument): TopLevelSpec | undefined {
  const load = sweepAxes(document).find((axis) => axis.kind === "load" && axis.isNumeric);
  if (load === undefined) return undefined;
  const rows = merged(rowsOf(document, load));
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
      field: "line",
      type: "nominal",
      title: null,
      sort: lines,
      scale: { domain: lines, range: cycle(PALETTE, lines.length) },
      legend: { orient: "bottom", direction: "vertical", columns: 2, labelLimit: 460 },
    },
  };
  const layer: Layer[] = [
    { mark: { type: "line", strokeWidth: 1.5, aria: false }, encoding: at },
    points(
      {
        ...at,
        shape: {
          field: "meets",
          type: "nominal",
          title: null,
          scale: { domain: ["meets the goal", "does not"], range: ["circle", "cross"] },
        },
      },
      60,
    ),
  ];
  return {
    $schema: SCHEMA,
    config: CONFIG,
    title: {
      text: "Cost per 1,000 requests",
      subtitle: "of answered requests, by shape; crosses: the goal is not shown to be met",
    },
    description: `Cost per 1,000 requests by ${load.title} of ${plural(lines.length, "shape")}.`,
    data: { values: [...rows] },
    width: 920,
    height: 240,
    layer,
  };
}
