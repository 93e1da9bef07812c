/** Numbers as text, in three figures. */

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(value >= 100_000 ? 0 : 2)} s`;
  return `${figures(value)} ms`;
}

export function percent(ratio: number): string {
  return `${Math.round(ratio * 100)}%`;
}

export function figures(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.01) return value.toPrecision(2);
  return value >= 100 ? Math.round(value).toString() : String(Number(value.toPrecision(3)));
}

/** The value below which a share of the sorted values lies; NaN without values. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
