/** Configurations that no other beats on both cost and latency. */

export interface CostPoint {
  readonly cost: number;
  readonly latencyMs: number;
}

/** The non-dominated points, cheapest first; of equal points the first one is kept. */
export function paretoFront<T extends CostPoint>(points: readonly T[]): readonly T[] {
  const byCost = points.toSorted((a, b) => a.cost - b.cost || a.latencyMs - b.latencyMs);
  const front: T[] = [];
  let best = Number.POSITIVE_INFINITY;
  for (const point of byCost) {
    if (point.latencyMs >= best) continue;
    front.push(point);
    best = point.latencyMs;
  }
  return front;
}

/** At most `count` of the values, evenly spaced, ends included. */
export function spread<T>(values: readonly T[], count: number): readonly T[] {
  if (values.length <= count) return values;
  const step = (values.length - 1) / Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, i) => values[Math.round(i * step)] as T);
}
