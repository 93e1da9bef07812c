/** Numbers as people read them: significant digits by uncertainty, no false precision. */

import type { RunEstimate } from "../core/results.ts";

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
