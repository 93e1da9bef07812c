/** Numbers as text, in three figures. */

/** Seconds from ten on. */
export function milliseconds(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return "–";
  return value >= 10_000 ? `${figures(value / 1000)} s` : `${figures(value)} ms`;
}

export function percent(ratio: number): string {
  return `${Math.round(ratio * 100)}%`;
}

/** A share that may be very near to all or nothing. */
export function precisePercent(ratio: number): string {
  const share = 100 * ratio;
  if (share >= 99.95 && share < 100) return ">99.9%";
  return share >= 99.95 || share < 0.005 ? percent(ratio) : `${figures(share)}%`;
}

/** Whole from a thousand on. */
export function figures(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** The value below which a share of the sorted values lies; NaN without values. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean of the values that are known; null without any. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : mean(known);
}
