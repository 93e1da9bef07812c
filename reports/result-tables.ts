/** The tables behind the charts, as text cells: the same ones for the page and for the terminal. */

import {
  type ConfigurationResult,
  METRICS,
  type ResultsDocument,
  type SloState,
} from "../core/results.ts";
import { formatCount, plural } from "./format.ts";
import type { Cell, Table } from "./html/table.ts";
import { metricTitle } from "./metric-labels.ts";
import { configurationLabel, loadText, sweepAxes } from "./parameters.ts";
import { goalText } from "./slo.ts";
import { figureCell, isUnstable, UNSTABLE_LEGEND } from "./steady-estimates.ts";

const SLO_CELLS: Readonly<Record<SloState, Cell>> = {
  meets: { text: "meets", value: 3, state: "good" },
  unclear: { text: "unclear", value: 2, state: "warn" },
  misses: { text: "misses", value: 1, state: "bad" },
};

function sloCell(one: ConfigurationResult): Cell {
  if (isUnstable(one)) return { text: "unstable", value: 0, state: "bad" };
  return one.slo === undefined ? { text: "unknown", value: 0 } : SLO_CELLS[one.slo];
}

function stateCell(one: ConfigurationResult): Cell {
  if (isUnstable(one)) return { text: "unstable", value: 0, state: "bad" };
  return { text: one.stability ?? "unknown", value: 1 };
}

/** One row per configuration: what was swept, whether it meets the goal, every reported metric. */
export function configurationTable(document: ResultsDocument): Table {
  const axes = sweepAxes(document);
  const names = METRICS.filter((name) => document.configurations.some((one) => one.metrics[name]));
  const { slo } = document;
  const judged = slo !== undefined || document.configurations.some((one) => one.slo !== undefined);
  const unstable = document.configurations.some(isUnstable);
  const swept = axes.length === 0 ? ["configuration"] : axes.map((axis) => axis.title);
  const rows = document.configurations.map((one) => [
    ...(axes.length === 0
      ? [{ text: one.id }]
      : axes.map((axis) => {
          const value = one.parameters[axis.path];
          const numeric = typeof value === "number";
          const text = loadText(axis.path, value, document.capacity);
          return { text, numeric, ...(numeric && { value }) };
        })),
    ...(judged ? [sloCell(one)] : []),
    ...(unstable && !judged ? [stateCell(one)] : []),
    ...names.map((name) => figureCell(one, name, one.metrics[name])),
    { text: formatCount(one.requests), value: one.requests, numeric: true },
    { text: String(one.replications), value: one.replications, numeric: true },
  ]);
  const goal = judged ? [slo === undefined ? "SLO" : `SLO ${goalText(slo)}`] : [];
  const state = unstable && !judged ? ["state"] : [];
  return {
    caption:
      `${plural(document.configurations.length, "simulated configuration")}; ` +
      `mean over replications ± half width of the 95% confidence interval${unstable ? `; ${UNSTABLE_LEGEND}` : ""}`,
    headings: [...swept, ...goal, ...state, ...names.map(metricTitle), "requests", "replications"],
    rows,
  };
}

/** One row per configuration and task; undefined when no task metric is reported. */
export function taskTable(document: ResultsDocument): Table | undefined {
  const axes = sweepAxes(document);
  const names = new Set<string>();
  for (const one of document.configurations) {
    for (const metrics of Object.values(one.tasks)) {
      for (const name of Object.keys(metrics)) names.add(name);
    }
  }
  if (names.size === 0) return undefined;
  const rows = document.configurations.flatMap((one) =>
    Object.entries(one.tasks).map(([task, metrics]) => [
      { text: configurationLabel(one, axes) },
      { text: task },
      ...[...names].map((name) => figureCell(one, name, metrics[name])),
    ]),
  );
  return {
    caption: "Per task; mean over replications ± half width of the 95% confidence interval",
    headings: ["configuration", "task", ...[...names].map(metricTitle)],
    rows,
  };
}
