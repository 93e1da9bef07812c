/** The validation as tables: predicted, measured, and how fit the measuring was. */

import type { MetricName, ValidationDocument, ValidationResult, Verdict } from "../core/results.ts";
import { formatError, formatInterval, formatNumber } from "./format.ts";
import type { Cell, Table } from "./html/table.ts";
import { metricLabel, metricTitle } from "./metric-labels.ts";
import { estimateCell } from "./steady-estimates.ts";
import { BACKENDS, judgedMetrics, lettered } from "./validation-rows.ts";

const STATES = { agrees: "good", disagrees: "bad", "cannot tell": "warn" } as const;

/** A verdict in words; colour only repeats it. */
function verdictCell(verdict: Verdict | undefined): Cell {
  return verdict === undefined ? { text: "not judged" } : { text: verdict, state: STATES[verdict] };
}

function spreadText(result: ValidationResult, name: MetricName): string {
  const spread = result.measured.spread[name];
  if (spread === undefined) return "—";
  const { scale } = metricLabel(name);
  return `${formatNumber(spread.minimum * scale, 4)} to ${formatNumber(spread.maximum * scale, 4)}`;
}

/** One row per validated configuration and judged metric. */
export function comparisonTable(document: ValidationDocument): Table {
  const rows = lettered(document).flatMap(({ letter, label, result }) =>
    judgedMetrics(document).flatMap((name): Cell[][] => {
      const [predicted, measured] = [result.predicted[name], result.measured.metrics[name]];
      const judgement = result.judgements[name];
      if (predicted === undefined && measured === undefined && judgement === undefined) return [];
      const [error, tolerance] = [result.error[name], result.tolerance[name]];
      const limit = tolerance === undefined ? "—" : `±${formatNumber(tolerance * 100)} %`;
      return [
        [
          { text: `${letter}: ${label}` },
          { text: metricTitle(name) },
          estimateCell(name, predicted),
          estimateCell(name, measured),
          { text: spreadText(result, name), numeric: true },
          { text: formatError(error), value: error, numeric: true },
          { text: formatInterval(judgement?.interval90), numeric: true },
          { text: limit, value: tolerance, numeric: true },
          verdictCell(judgement?.verdict),
        ],
      ];
    }),
  );
  return {
    caption:
      "Predicted against measured; ± is the half width of the 95% confidence interval, over " +
      "replications (predicted) and repeat runs (measured). A metric agrees where its error's 90% " +
      "interval lies within the tolerance, and disagrees where it lies outside",
    headings: [
      "configuration",
      "metric",
      "predicted",
      "measured",
      "single runs, from to",
      "error",
      "90% interval",
      "tolerance",
      "judgement",
    ],
    rows,
  };
}

/** One row per validated configuration: verdict, backend, and how fit the measuring was. */
export function healthTable(document: ValidationDocument): Table {
  const rows = lettered(document).map(({ letter, label, result }): Cell[] => {
    const { health, backend, repeats } = result.measured;
    const late = health.lateArrivalRatio * 100;
    return [
      { text: `${letter}: ${label}` },
      verdictCell(result.verdict),
      { text: `${backend}: ${BACKENDS[backend]}` },
      { text: String(repeats), value: repeats, numeric: true },
      health.healthy ? { text: "healthy", state: "good" } : { text: "unhealthy", state: "warn" },
      { text: formatNumber(late), value: late, numeric: true },
      { text: formatNumber(health.latenessP99Ms), value: health.latenessP99Ms, numeric: true },
      {
        text: formatNumber(health.eventLoopDelayP99Ms),
        value: health.eventLoopDelayP99Ms,
        numeric: true,
      },
      { text: health.reasons.join("; ") || "none" },
    ];
  });
  return {
    caption: "Verdicts, and whether load generator and host were fit to be judged",
    headings: [
      "configuration",
      "verdict",
      "backend",
      "runs",
      "health",
      "late arrivals (%)",
      "lateness p99 (ms)",
      "event loop delay p99 (ms)",
      "reasons",
    ],
    rows,
  };
}
