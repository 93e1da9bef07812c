/** A validation as tables: predicted and measured figures, verdicts, and the health of the runs. */
import { METRICS, type MetricName } from "../../engine/metrics/figures.ts";
import type {
  MetricJudgement,
  NeighbourJudgement,
  ValidationDocument,
  ValidationResult,
  Verdict,
} from "../../results/validation.ts";
import {
  formatError,
  formatInterval,
  formatNumber,
  joined,
  metricLabel,
  metricTitle,
  plural,
} from "./format.ts";
import { configurationLabel, sweepAxes } from "./parameters.ts";
import { type Cell, estimateCell, numberCell, type Table, tableOf } from "./table.ts";

export const BACKENDS: Readonly<Record<ValidationResult["measured"]["backend"], string>> = {
  onnx: "models ran on ONNX Runtime",
  external: "models ran on servers outside this deployment",
  process: "models ran in commands that serve the Open Inference Protocol",
  real: "each model ran by its own implementation",
  engines: "language models ran for real, times of all others were replayed",
  replay: "measured times replayed, no GPU/model ran",
};

/** A, B, …, Z, AA, …: short enough to stand beside a point. */
export function letterOf(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letterOf(Math.floor(index / 26) - 1) + last;
}

/** Every validated configuration with its letter and label, in document order. */
export function lettered(document: ValidationDocument) {
  const axes = sweepAxes(document);
  return document.configurations.map((result, index) => ({
    letter: letterOf(index),
    label: configurationLabel(result, axes),
    result,
  }));
}

/** Whether its runs are fit for charts: those that were set aside show the host, not the system. */
export function isFit({ verdict, measured }: ValidationResult): boolean {
  return verdict !== "cannot tell" || measured.health.healthy;
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

/** Reasons of verdicts, with the runs that would settle what cannot be told: a line for all that have the same. */
export function doubts(document: ValidationDocument): readonly string[] {
  const letters = new Map<string, string[]>();
  for (const { letter, result } of lettered(document)) {
    for (const text of doubtsOf(result, judgedMetrics(document)))
      letters.set(text, [...(letters.get(text) ?? []), letter]);
  }
  return [...letters].map(([text, own]) => `${own.join(", ")}: ${text}`);
}

function doubtsOf(
  { judgements }: Pick<ValidationResult, "judgements">,
  judged: readonly MetricName[],
): readonly string[] {
  const names = new Map<string, string[]>();
  for (const name of judged) {
    const judgement = judgements[name];
    if (judgement?.reason === undefined) continue;
    const says = judgement.verdict === "disagrees" ? "disagrees" : "cannot be judged yet";
    const line = [`${says}: ${judgement.reason}`, ...settlingText(judgement)].join("; ");
    names.set(line, [...(names.get(line) ?? []), metricLabel(name).text]);
  }
  return [...names].map(([line, own]) => `${own.join(", ")} ${line}`);
}

const SIMULATOR: Readonly<Record<Verdict, string>> = {
  agrees: "the simulator agrees with the cluster",
  disagrees: "the simulator disagrees with the cluster",
  "cannot tell": "whether the simulator agrees with the cluster cannot be told yet",
};

/** The simulator fed with the runs' own times, against the runs: a sentence for each configuration that has a verdict. */
export function simulatorLines(document: ValidationDocument): readonly string[] {
  return lettered(document).flatMap(({ letter, result: { simulator } }) => {
    if (simulator === undefined) return [];
    const { verdict, error, judgements, otherPathRatio } = simulator;
    const errors = METRICS.filter((name) => error[name] !== undefined).map((name) => {
      const interval = judgements[name]?.interval90;
      const range = interval == null ? "" : ` (${formatInterval(interval)})`;
      return `${metricLabel(name).text} by ${formatError(error[name])}${range}`;
    });
    const given =
      errors.length === 0
        ? ""
        : `: given these runs' own times it is off in ${joined(errors, " and ")}`;
    const paths = `${formatNumber(100 * otherPathRatio)}% of the requests took another path in it`;
    return [`${letter}: ${SIMULATOR[verdict]}${given}; ${paths}`];
  });
}

/** Of real models: the simulator's own error, each profile against the runs, and the next experiment. */
export function judgedByLines(document: ValidationDocument): readonly string[] {
  return lettered(document).flatMap(({ letter, result: { judgedBy } }) => {
    if (judgedBy === undefined) return [];
    const { waitsError } = judgedBy;
    const own = judgedBy.simulatorError.latencyMeanMs;
    const models = Object.entries(judgedBy.models).map(
      ([model, { ratio, usesProbe }]) =>
        `${model} ${formatNumber(ratio, 3)}${usesProbe ? " at the host's pace" : ""}`,
    );
    return [
      ...(own === undefined
        ? []
        : [
            `${letter}: from the models' times between the blocks, the mean latency is predicted to ${formatError(own.mean)}: the simulator's own error`,
          ]),
      ...(waitsError === undefined
        ? []
        : [
            `${letter}: from their times in the blocks themselves, to ${formatError(waitsError.mean)}: the error of its waits`,
          ]),
      ...(models.length === 0
        ? []
        : [`${letter}: times between the blocks over those of the profiles: ${models.join(", ")}`]),
      ...(judgedBy.neighbours === undefined
        ? []
        : [`${letter}: ${slowdowns(judgedBy.neighbours)}`]),
      ...(judgedBy.messages === undefined ? [] : [`${letter}: ${messages(judgedBy.messages)}`]),
      ...(judgedBy.next === undefined
        ? []
        : [`${letter}: next, as ${judgedBy.culprit} is off: ${judgedBy.next}`]),
    ];
  });
}

function slowdowns({ measured, stored }: NeighbourJudgement): string {
  const share = (slowdown: number): string => `${formatNumber(100 * (slowdown - 1), 2)}%`;
  return `two busy models slow each other down by ${share(measured)} between the blocks, by ${share(stored)} as stored`;
}

function messages({ measuredUs, storedUs }: { measuredUs: number; storedUs: number }): string {
  const ms = (us: number): string => `${formatNumber(us / 1000, 3)} ms`;
  return `messages of a request of one task take ${ms(measuredUs)} in the blocks, ${ms(storedUs)} as stored`;
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

/** The verdict, with the error of the metric that is furthest off; a doubt, with its reason and interval. */
export function verdictText(one: ValidationResult, validation: ValidationDocument): string {
  const known = judgedMetrics(validation).flatMap((name) => {
    const [error, judgement] = [one.error[name], one.judgements[name]];
    return error === undefined || judgement === undefined ? [] : { error, ...judgement };
  });
  const decisive = known.filter(({ verdict }) => verdict === one.verdict);
  const worst = decisive.toSorted((a, b) => Math.abs(b.error) - Math.abs(a.error))[0];
  if (worst === undefined) return one.verdict;
  if (one.verdict !== "cannot tell") return `${one.verdict} (${formatError(worst.error)})`;
  const reason = worst.reason?.split(";")[0] ?? "";
  const interval =
    worst.interval90 === null ? "" : `error between ${formatInterval(worst.interval90)}`;
  return `cannot tell yet (${joined([reason, interval.replace(" to ", " and ")], "; ")})`;
}

export const VERDICT_STATES = { agrees: "good", disagrees: "bad", "cannot tell": "warn" } as const;

/** A verdict in words, and the tolerance that it is about; colour only repeats it. */
function verdictCell(verdict: Verdict | undefined, tolerance?: number): Cell {
  if (verdict === undefined) return { text: "not judged" };
  const within = tolerance === undefined ? "" : ` (±${formatNumber(tolerance * 100)}%)`;
  return { text: `${verdict}${within}`, state: VERDICT_STATES[verdict] };
}

function spreadText(result: ValidationResult, name: MetricName): string {
  const spread = result.measured.spread[name];
  if (spread === undefined) return "—";
  const { scale } = metricLabel(name);
  return `${formatNumber(spread.minimum * scale, 4)} to ${formatNumber(spread.maximum * scale, 4)}`;
}

/** One row per validated configuration and judged metric. */
export function comparisonTable(document: ValidationDocument): Table {
  const judgedNames = judgedMetrics(document);
  const isPlanned = document.configurations.some(({ planned }) => planned !== undefined);
  const judged = lettered(document).flatMap(({ letter, label, result }) =>
    METRICS.flatMap((name) => {
      if (!judgedNames.includes(name) && result.planned?.[name] === undefined) return [];
      const [predicted, measured] = [result.predicted[name], result.measured.metrics[name]];
      const judgement = result.judgements[name];
      if (predicted === undefined && measured === undefined && judgement === undefined) return [];
      return { whose: `${letter}: ${label}`, result, name, predicted, measured, judgement };
    }),
  );
  const caption =
    "Predicted against measured; ± is the half width of the 95% confidence interval, over " +
    "replications (predicted) and repeat runs (measured). A metric agrees where its error's interval, " +
    "of 90% unless it says otherwise, lies within the tolerance, and disagrees where it lies outside" +
    (isPlanned ? "; planned: as the plan confirmed it" : "");
  return tableOf(caption, judged, [
    ["configuration", ({ whose }) => ({ text: whose })],
    ["metric", ({ name }) => ({ text: metricTitle(name) })],
    [
      "judgement",
      ({ judgement, result: { tolerance }, name }) =>
        verdictCell(judgement?.verdict, tolerance[name]),
    ],
    ...(isPlanned ? [PLANNED] : []),
    ["predicted", ({ name, predicted }) => estimateCell(name, predicted)],
    ["measured", ({ name, measured }) => estimateCell(name, measured)],
    ["error", ({ result: { error }, name }) => numberCell(formatError(error[name]), error[name])],
    ["interval", ({ judgement }) => numberCell(judgedInterval(judgement))],
    ...(document.configurations.some(({ judgedBy }) => judgedBy !== undefined) ? [OWN_ERROR] : []),
    ["single runs, from to", ({ result, name }) => numberCell(spreadText(result, name))],
  ]);
}

const PLANNED: [string, (row: JudgedRow) => Cell] = [
  "planned",
  ({ result: { planned }, name }) => estimateCell(name, planned?.[name]),
];

/** With its confidence, where that is not 90%. */
export function judgedInterval(judgement: MetricJudgement | undefined): string {
  const level = judgement?.level;
  const text = formatInterval(judgement?.interval90);
  return level === undefined ? text : `${text} (${formatNumber(100 * level)} %)`;
}

/** With the models' times between the blocks in place of their profiles. */
const OWN_ERROR: [string, (row: JudgedRow) => Cell] = [
  "simulator's own error",
  ({ result: { judgedBy }, name }) => {
    const own = judgedBy?.simulatorError[name]?.mean;
    return numberCell(formatError(own), own);
  },
];

interface JudgedRow {
  readonly result: ValidationResult;
  readonly name: MetricName;
}

/** One row per validated configuration: verdict, backend, and how fit the measuring was. */
export function healthTable(document: ValidationDocument): Table {
  const figure = (value: number) => numberCell(formatNumber(value), value);
  const caption = "Verdicts, and whether load generator and host were fit to be judged";
  const rows = lettered(document).map((one) => ({ ...one, ...one.result.measured }));
  const table = tableOf(caption, rows, [
    ["configuration", ({ letter, label }) => ({ text: `${letter}: ${label}` })],
    ["verdict", ({ result }) => verdictCell(result.verdict)],
    ["backend", ({ backend }) => ({ text: `${backend}: ${BACKENDS[backend]}` })],
    ["runs", ({ repeats }) => numberCell(String(repeats), repeats)],
    ["health", ({ health }) => (health.healthy ? HEALTHY : UNHEALTHY)],
    ["late arrivals (%)", ({ health }) => figure(health.lateArrivalRatio * 100)],
    ["lateness p99 (ms)", ({ health }) => figure(health.latenessP99Ms)],
    ["event loop delay p99 (ms)", ({ health }) => figure(health.eventLoopDelayP99Ms)],
    ["reasons", ({ health }) => ({ text: health.reasons.join("; ") || "none" })],
  ]);
  // The evidence has them as sentences; here they make rows high.
  return { ...table, minor: ["reasons"] };
}

const HEALTHY: Cell = { text: "healthy", state: "good" };
const UNHEALTHY: Cell = { text: "unhealthy", state: "warn" };
