/** Thresholds of `tandem load`, and the highest load of a range that meets them. */
import { PERCENTILES } from "../cluster/load/load-report.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { LoadMeasurement } from "../library/index.ts";
import { formatNumber, plural } from "../reports/tables/format.ts";
import { type Column, numberCell, tableOf } from "../reports/tables/table.ts";
import { tableText } from "../reports/tables/table-text.ts";

export interface Threshold {
  readonly text: string;
  readonly metric: string;
  readonly belowMs: number;
}

const METRICS = ["mean", ...PERCENTILES.filter((one) => one < 100).map((one) => `p${one}`), "max"];

/** Throws Fault("usage"). */
export function thresholdOf(text: string): Threshold {
  const [, metric = "", below] =
    /^\s*([\w.]+)\s*<\s*(\d+(?:\.\d+)?)\s*(?:ms)?\s*$/.exec(text) ?? [];
  if (METRICS.includes(metric)) return { text, metric, belowMs: Number(below) };
  throw new Fault("usage", `--threshold ${text}: expected a metric, <, and ms`, {
    hint: `for example 'p99<500'; metrics: ${METRICS.join(", ")}`,
  });
}

/** Null where too few requests were answered to tell. */
function measured(
  { latencyMeanMs, latencyMaxMs, percentiles }: LoadMeasurement,
  metric: string,
): number | null {
  const percentile = percentiles.find((one) => `p${one.percentile}` === metric)?.latencyMs;
  return { mean: latencyMeanMs, max: latencyMaxMs }[metric] ?? percentile ?? null;
}

/** Why a threshold does not hold; empty where it does. */
export function missed(
  measurement: LoadMeasurement,
  { text, metric, belowMs }: Threshold,
): readonly string[] {
  const given = measured(measurement, metric);
  if (given === null) return [`${text}: too few requests were answered to tell ${metric}`];
  return given < belowMs ? [] : [`${text}: ${metric} is ${given.toFixed(2)} ms`];
}

/** The loads that a range names, ascending. */
export interface LoadRange {
  readonly by: "rate" | "clients";
  readonly values: readonly number[];
}

const MOST_VALUES = 1000;

/** "10:100:5" or "1..16"; without a step 1 for clients, a sixteenth of the range for rates. Throws Fault("usage"). */
export function rangeOf(by: LoadRange["by"], text: string): LoadRange {
  const [from, to, step = by === "clients" ? 1 : (to - from) / 16, ...more] = text
    .split(/:|\.\./)
    .map(Number);
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  const isWhole = by === "rate" || [from, to, step].every(Number.isInteger);
  if (from > 0 && to > from && step > 0 && count <= MOST_VALUES && isWhole && more.length === 0) {
    return { by, values: Array.from({ length: count }, (_, i) => from + i * step) };
  }
  const name = by === "rate" ? "--rates" : "--concurrency";
  throw new Fault("usage", `${name} ${text}: expected from:to or from:to:step`, {
    hint: `for example ${name} 10:100:5, of at most ${MOST_VALUES} loads; clients are whole numbers`,
  });
}

interface LoadStep {
  readonly load: number;
  /** Why the load does not count as met; empty where it does. */
  readonly missed: readonly string[];
  readonly measurement: LoadMeasurement;
}

export interface LoadSearch {
  readonly by: LoadRange["by"];
  readonly thresholds: readonly string[];
  /** In the order of loads. */
  readonly steps: readonly LoadStep[];
  /** The highest load that meets the thresholds; null where none does, or none was asked for. */
  readonly highest: number | null;
  /** Whether it is the end of the range, so that more may be met. */
  readonly isEnd: boolean;
}

/** By bisection where there are thresholds, as latency does not fall while load rises; else each load. */
export async function searched(
  { by, values }: LoadRange,
  thresholds: readonly Threshold[],
  send: (load: number) => Promise<LoadMeasurement>,
): Promise<LoadSearch> {
  const steps: LoadStep[] = [];
  const meets = async (load: number): Promise<boolean> => {
    const measurement = await send(load);
    const { errors, verdict, health } = measurement;
    const failed = errors.slice(0, 1).map((error) => `requests failed: ${error}`);
    const unfit = verdict === "fit" ? [] : [`not to be judged by: ${health.reasons[0]}`];
    const untold = thresholds.find(({ metric }) => measured(measurement, metric) === null);
    if (untold !== undefined && errors.length === 0) {
      throw new Fault("usage", `too few requests at ${shown(by, load)} to tell ${untold.metric}`, {
        hint: "give a longer --duration, or a larger --count",
      });
    }
    const over = thresholds.flatMap((threshold) => missed(measurement, threshold));
    steps.push({ load, missed: [...failed, ...unfit, ...over], measurement });
    return steps.at(-1)?.missed.length === 0;
  };
  let [met, unmet] = [-1, values.length];
  if (thresholds.length === 0) for (const load of values) await meets(load);
  else {
    while (unmet - met > 1) {
      const middle = Math.floor((met + unmet) / 2);
      if (await meets(values[middle])) met = middle;
      else unmet = middle;
    }
  }
  return {
    by,
    thresholds: thresholds.map(({ text }) => text),
    steps: steps.toSorted((a, b) => a.load - b.load),
    highest: values[met] ?? null,
    isEnd: met === values.length - 1,
  };
}

function shown(by: LoadRange["by"], load: number): string {
  return by === "rate" ? `${formatNumber(load, 5)}/s` : plural(load, "client");
}

export function searchText({ by, thresholds, steps, highest, isEnd }: LoadSearch): string {
  const ms = (value: number | null) => numberCell(value === null ? "—" : value.toFixed(2));
  const asked = thresholds.map((text) => thresholdOf(text).metric);
  const shownMetrics = new Set(["p50", "p95", "p99", "max", ...asked]);
  const columns: Column<LoadStep>[] = [
    [by === "rate" ? "rate (/s)" : "clients", ({ load }) => numberCell(formatNumber(load, 5))],
    ["completed /s", ({ measurement }) => numberCell(measurement.throughputPerS.toFixed(1))],
    ...METRICS.filter((metric) => shownMetrics.has(metric)).map(
      (metric): Column<LoadStep> => [
        `${metric} (ms)`,
        ({ measurement }) => ms(measured(measurement, metric)),
      ],
    ),
  ];
  const table = tableText(tableOf("", steps, columns));
  const which = thresholds.join(", ");
  const [next] = steps.filter(({ load }) => load > (highest ?? 0));
  const above = next === undefined ? "" : `; at ${shown(by, next.load)}: ${next.missed.join("; ")}`;
  if (thresholds.length === 0) return table;
  if (highest === null) return `${table}\nno load of the range meets ${which}${above}`;
  const least = isEnd ? "at least " : "";
  const name = by === "rate" ? "rate" : "concurrency";
  return `${table}\nhighest ${name} that meets ${which}: ${least}${shown(by, highest)}${above}`;
}
