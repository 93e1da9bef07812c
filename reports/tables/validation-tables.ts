/** A validation as tables: predicted and measured figures, verdicts, and the health of the runs. */
import {
  METRICS,
  type MetricJudgement,
  type MetricName,
  type ValidationDocument,
  type ValidationResult,
  type Verdict,
} from "../../core/results.ts";
import {
  formatError,
  formatInterval,
  formatNumber,
  metricLabel,
  metricTitle,
  plural,
} from "./format.ts";
import { configurationLabel, sweepAxes } from "./parameters.ts";
import { type Cell, estimateCell, type Table } from "./table.ts";

interface Lettered {
  /** A, B, …, Z, AA, …: short enough to stand beside a point. */
  readonly letter: string;
  readonly label: string;
  readonly result: ValidationResult;
}

export const BACKENDS: Readonly<Record<ValidationResult["measured"]["backend"], string>> = {
  onnx: "models ran on ONNX Runtime",
  external: "models ran on servers outside this deployment",
  process: "models ran in commands that serve the Open Inference Protocol",
  real: "each model ran by its own implementation",
  replay: "measured times replayed, no GPU/model ran",
};

function letterOf(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letterOf(Math.floor(index / 26) - 1) + last;
}

/** Every validated configuration with its letter and label, in document order. */
export function lettered(document: ValidationDocument): readonly Lettered[] {
  const axes = sweepAxes(document);
  return document.configurations.map((result, index) => ({
    letter: letterOf(index),
    label: configurationLabel(result, axes),
    result,
  }));
}

/** Metrics with an error or a tolerance in any configuration, in the usual order. */
export function judgedMetrics(document: ValidationDocument): readonly MetricName[] {
  return METRICS.filter((name) =>
    document.configurations.some(
      (one) => one.error[name] !== undefined || one.tolerance[name] !== undefined,
    ),
  );
}

const VERDICTS: readonly (readonly [Verdict, one: string, several: string])[] = [
  ["agrees", "agrees", "agree"],
  ["disagrees", "disagrees", "disagree"],
  ["cannot tell", "cannot be judged yet", "cannot be judged yet"],
];

/** "7 agree, 1 disagrees, 1 cannot be judged yet": one line over all verdicts. */
export function verdictSummary(document: ValidationDocument): string {
  const parts = VERDICTS.flatMap(([verdict, one, several]) => {
    const count = document.configurations.filter((each) => each.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : several}`];
  });
  const count = plural(document.configurations.length, "configuration");
  return `${count} validated: ${parts.join(", ")}`;
}

/** Reasons for verdicts of `cannot tell`, with the runs that would settle them: a line for each. */
export function doubts(document: ValidationDocument): readonly string[] {
  return lettered(document).flatMap(({ letter, result }) => {
    const lines = new Map<string, string[]>();
    for (const name of judgedMetrics(document)) {
      const judgement = result.judgements[name];
      if (judgement?.reason === undefined) continue;
      const line = [judgement.reason, ...settlingText(judgement)].join("; ");
      lines.set(line, [...(lines.get(line) ?? []), metricLabel(name).text]);
    }
    return [...lines].map(
      ([line, names]) => `${letter}: ${names.join(", ")} cannot be judged yet: ${line}`,
    );
  });
}

function settlingText({ settledBy }: MetricJudgement): readonly string[] {
  if (settledBy === undefined) return [];
  const { runs, secondsPerRun } = settledBy;
  const ways = [
    ...(runs === null ? [] : [`about ${runs} runs`]),
    ...(secondsPerRun === null ? [] : [`runs of about ${secondsPerRun} s`]),
  ];
  return ways.length === 0
    ? ["it lies too near the tolerance's edge for any feasible number of runs to settle it"]
    : [`${ways.join(", or ")} would settle it`];
}

export const VERDICT_STATES = { agrees: "good", disagrees: "bad", "cannot tell": "warn" } as const;

/** A verdict in words; colour only repeats it. */
function verdictCell(verdict: Verdict | undefined): Cell {
  return verdict === undefined
    ? { text: "not judged" }
    : { text: verdict, state: VERDICT_STATES[verdict] };
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
    return [
      { text: `${letter}: ${label}` },
      verdictCell(result.verdict),
      { text: `${backend}: ${BACKENDS[backend]}` },
      { text: String(repeats), value: repeats, numeric: true },
      health.healthy ? { text: "healthy", state: "good" } : { text: "unhealthy", state: "warn" },
      ...[health.lateArrivalRatio * 100, health.latenessP99Ms, health.eventLoopDelayP99Ms].map(
        (value): Cell => ({ text: formatNumber(value), value, numeric: true }),
      ),
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
