/** Numbers and metrics as people read them: names, units, and significant digits by uncertainty. */

import type { MetricName } from "../../engine/metrics/figures.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { RunEstimate } from "../../results/validation.ts";

const MISSING = "—";

function grouped(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const digits = whole.replace("-", "");
  if (digits.length < 4) return text;
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

function exponentOf(value: number): number {
  return Math.floor(Math.log10(Math.abs(value)));
}

/** Rounds to `decimals` places; negative places round to tens, hundreds, … */
function fixed(value: number, decimals: number): string {
  if (decimals >= 0) return grouped(value.toFixed(decimals).replace(/^-(?=[0.]+$)/, ""));
  const step = 10 ** -decimals;
  return grouped(String(Math.round(value / step) * step + 0));
}

/** `digits` significant digits, thousands grouped; "—" when not finite. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return MISSING;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(digits - 1);
  const exponent = exponentOf(Number(value.toPrecision(digits)));
  const text = fixed(value, digits - 1 - exponent);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/**
 * Mean ± half width: the half width to two significant digits, the mean to the same decimal, and
 * never more than five digits of the mean. No "±" when the half width is unknown: one run.
 * `scale` multiplies both (100 shows a ratio in percent).
 */
export function formatEstimate(estimate: RunEstimate | undefined, scale = 1): string {
  const mean = (estimate?.mean ?? Number.NaN) * scale;
  const half = Math.abs((estimate?.halfWidth95 ?? Number.NaN) * scale);
  if (!Number.isFinite(mean)) return MISSING;
  if (!Number.isFinite(half)) return formatNumber(mean, 4);
  if (half === 0) return `${formatNumber(mean, 4)} ± 0`;
  const largest = Math.max(Math.abs(mean), half);
  if (largest >= 1e9 || largest < 1e-4)
    return `${formatNumber(mean, 4)} ± ${formatNumber(half, 2)}`;
  const cap = mean === 0 ? 12 : 4 - exponentOf(mean);
  const decimals = Math.min(1 - exponentOf(Number(half.toPrecision(2))), cap, 12);
  const least = 10 ** -decimals;
  const shown = half < least / 2 ? `<${fixed(least, decimals)}` : fixed(half, decimals);
  return `${fixed(mean, decimals)} ± ${shown}`;
}

/** The same of so many runs: one alone has no interval. */
export function formatRuns(estimate: RunEstimate | undefined, runs: number, scale = 1): string {
  return runs > 1
    ? formatEstimate(estimate, scale)
    : formatNumber((estimate?.mean ?? NaN) * scale, 4);
}

/** A share as percent, without a unit; an interval that would go beyond 100 ends there: "99.6 (99.1–100)". */
export function formatShare(estimate: RunEstimate | undefined, runs: number): string {
  const text = formatRuns(estimate, runs, 100);
  const mean = estimate?.mean ?? 0;
  const half = estimate?.halfWidth95 ?? 0;
  if (!text.includes(" ± ") || mean + half <= 1) return text;
  const [shown] = text.split(" ± ");
  const decimals = shown.split(".")[1]?.length ?? 0;
  return `${shown} (${fixed(Math.max(0, 100 * (mean - half)), decimals)}–100)`;
}

/** A relative error as a signed percentage: 0.073 is "+7.3 %". */
export function formatError(ratio: number | undefined): string {
  if (ratio === undefined || !Number.isFinite(ratio)) return MISSING;
  const percent = ratio * 100;
  const text = Math.abs(percent) >= 100 ? formatNumber(percent) : percent.toFixed(1);
  return `${percent > 0 ? "+" : ""}${text === "-0.0" ? "0.0" : text} %`;
}

/** The ends of a relative error's interval: "−1.2 % to +7.3 %". */
export function formatInterval(
  interval: { readonly low: number; readonly high: number } | null | undefined,
): string {
  if (interval == null) return MISSING;
  return `${formatError(interval.low)} to ${formatError(interval.high)}`;
}

/** A count with thousands grouped: 120,000. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? grouped(String(Math.round(value))) : MISSING;
}

/** "1 request", "2 requests". */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}

/** The texts that say something, with the separator between them. */
export function joined(texts: readonly (string | undefined)[], separator: string): string {
  return texts.filter((text) => text !== undefined && text !== "").join(separator);
}

/** A text's words; "134 ± 12" and "5 %" are one each. */
export function wordsOf(text: string): string[] {
  return text.split(/(?<!\u00b1 *) (?! *\u00b1|%)/);
}

/** In lines of at most `width`, broken between words, and after the hyphens of those too long; spaces at the start stay. */
export function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  const [first, ...more] = wordsOf(text)
    .flatMap((word) => (word.length > width ? word.split(" ") : [word]))
    .flatMap((word) => {
      const parts = word.length > width ? word.split(/(?<=\w-)/) : [word];
      return parts.map((part, i) => ({ part, gap: i === 0 ? " " : "" }));
    });
  let current = first.part;
  for (const { part, gap } of more) {
    if (current.trim() !== "" && current.length + gap.length + part.length > width) {
      lines.push(current);
      current = part;
    } else current = `${current}${gap}${part}`;
  }
  return [...lines, current].join("\n");
}

interface MetricLabel {
  readonly text: string;
  /** Shown unit; empty for pure counts. */
  readonly unit: string;
  /** Factor from the stored to the shown value: 100 for ratios, which are shown in percent. */
  readonly scale: number;
}

const label = (text: string, unit: string, scale = 1): MetricLabel => ({ text, unit, scale });

const LABELS: Readonly<Record<MetricName, MetricLabel>> = {
  latencyMeanMs: label("mean latency", "ms"),
  latencyP50Ms: label("p50 latency", "ms"),
  latencyP90Ms: label("p90 latency", "ms"),
  latencyP95Ms: label("p95 latency", "ms"),
  latencyP99Ms: label("p99 latency", "ms"),
  latencyMaxMs: label("max latency", "ms"),
  queueWaitMeanMs: label("mean queue wait", "ms"),
  makespanMs: label("makespan", "ms"),
  throughputPerS: label("throughput", "/s"),
  goodputPerS: label("goodput", "/s"),
  inSystemMean: label("mean in system", "requests"),
  utilizationRatio: label("utilization", "%", 100),
  sloAttainmentRatio: label("within SLO", "%", 100),
  dropRatio: label("dropped", "%", 100),
  timeoutRatio: label("timed out", "%", 100),
  attemptsPerRequest: label("attempts", "per request"),
  queryLatencyP90Ms: label("p90 of queries", "ms"),
  queryLatencyP99Ms: label("p99 of queries", "ms"),
  validQueriesPerS: label("queries within the bound", "/s"),
  samplesPerS: label("samples", "/s"),
  unfinishedRatio: label("unfinished", "%", 100),
  availabilityRatio: label("available", "%", 100),
  recoveryMeanMs: label("mean recovery", "ms"),
  batchSizeMean: label("mean batch size", "requests"),
  ttftMeanMs: label("mean time to first token", "ms"),
  ttftP99Ms: label("p99 time to first token", "ms"),
  tpotMeanMs: label("mean time per token", "ms"),
  tpotP99Ms: label("p99 time per token", "ms"),
  tokensPerS: label("tokens", "per s"),
  kvUseRatio: label("use of KV blocks", "%", 100),
  preemptionsPerRequest: label("preemptions per request", ""),
  iterationTimeRatio: label("iterations beside their step profile", "%", 100),
  costPerHour: label("cost", "per hour"),
  costPer1000Requests: label("cost per 1000", ""),
  energyJoulesPerRequest: label("energy", "J/request"),
  accuracyMean: label("accuracy", "%", 100),
  imputedRatio: label("imputed answers", "%", 100),
  confidenceMean: label("confidence", "%", 100),
  unsureRatio: label("unsure answers", "%", 100),
};

const ENDINGS: readonly (readonly [RegExp, string, number])[] = [
  [/Us$/, "µs", 1],
  [/Ms$/, "ms", 1],
  [/PerS$/, "/s", 1],
  [/PerHour$/, "per hour", 1],
  [/S$/, "s", 1],
  [/Ratio$/, "%", 100],
  [/Bytes$/, "bytes", 1],
];

/** camelCase to words: "queueWait" is "queue wait". */
export function words(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}

/** The label of any metric, task metrics included: unknown names are read by their ending. */
export function metricLabel(name: string): MetricLabel {
  if (Object.hasOwn(LABELS, name)) return LABELS[name as MetricName];
  for (const [ending, unit, scale] of ENDINGS) {
    const stem = name.replace(ending, "");
    if (stem !== name && stem !== "") return label(words(stem), unit, scale);
  }
  return label(words(name), "");
}

/** "p99 latency (ms)": the heading of a column or axis. */
export function metricTitle(name: string): string {
  const { text, unit } = metricLabel(name);
  return unit === "" ? text : `${text} (${unit})`;
}

/** Metrics that converge in overload, too. */
const SATURATES =
  /^(throughputPerS|utilizationRatio|batchSizeMean|service|cost|energy|dropRatio|timeoutRatio)/;

/** In place of a figure that would estimate nothing. */
export const OVERLOADED = "overloaded";
export const OVERLOADED_LEGEND =
  "overloaded: the queue grows on, so a figure would depend on how long the run was";

export function isUnstable(one: Pick<ConfigurationResult, "stability">): boolean {
  return one.stability === "unstable";
}

/** Whether a metric estimates a steady state. In overload latencies depend on the length of the run. */
export function isEstimate(one: Pick<ConfigurationResult, "stability">, name: string): boolean {
  return !isUnstable(one) || SATURATES.test(name);
}

/** A figure with its unit; what is no figure has none. */
export function withUnit(figure: string, unit: string): string {
  return unit === "" || figure.endsWith(OVERLOADED) ? figure : `${figure} ${unit}`;
}

/** A single run has an interval only where its result names the method. */
function hasInterval(one: ConfigurationResult, name: string): boolean {
  return one.replications > 1 || Object.hasOwn(one.intervals ?? {}, name);
}

/** "3.1 ± 0.4", "3.1" of one run without an interval or a fixed price, "overloaded" where it estimates nothing. */
export function figureText(
  one: ConfigurationResult,
  name: string,
  estimate: Estimate | undefined,
): string {
  const { scale } = metricLabel(name);
  if (estimate !== undefined && !isEstimate(one, name)) return OVERLOADED;
  const isPrice = name === "costPerHour" && estimate?.halfWidth95 === 0;
  if (estimate === undefined || (hasInterval(one, name) && !isPrice)) {
    return formatEstimate(estimate, scale);
  }
  return formatEstimate({ ...estimate, halfWidth95: Number.NaN }, scale);
}
