/** The highest load that a configuration sustains: its bounds, and the load that narrows them next. */
import { figures } from "../shared/format.ts";
import { type LoadAxis, loadText, middleOf } from "./choices.ts";
import type { CurveState } from "./curve-store.ts";
import type { PointResult } from "./messages.ts";

type Points = ReadonlyMap<number, PointResult>;

/** The loads around the highest one that meets the SLO (without one: keeps up). */
interface Bounds {
  /** The last load up to which all that were simulated meet it; 0 where none does. */
  readonly meets: number;
  /** The first load beyond `meets`, whose interval does not tell, or which misses it. */
  readonly next?: number;
  /** The last load before `misses`. */
  readonly last: number;
  /** The first load that misses it by its 95% interval, or is overloaded. */
  readonly misses?: number;
}

function boundsOf(points: Points): Bounds {
  const all = [...points].sort(([a], [b]) => a - b);
  const isOver = ({ slo, stability }: PointResult) => slo === "misses" || stability === "unstable";
  const before = (end: number) => all[(end === -1 ? all.length : end) - 1]?.[0] ?? 0;
  const next = all.findIndex(([, one]) => isOver(one) || one.slo === "unclear");
  const misses = all.findIndex(([, one]) => isOver(one));
  return {
    meets: before(next),
    next: all[next]?.[0],
    last: before(misses),
    misses: all[misses]?.[0],
  };
}

/** The load to simulate next; undefined where the bounds are as close as loads are told apart. */
export function loadBetween(
  points: Points,
  axis: LoadAxis,
  grid: readonly number[],
): number | undefined {
  const { meets, next, last, misses } = boundsOf(points);
  return middleOf(axis, grid, meets, next) ?? middleOf(axis, grid, last, misses);
}

/** In words: the two loads between which the 95% intervals tell. */
export function highestLoadText(
  { points, capacityPerS }: Pick<CurveState, "points" | "capacityPerS">,
  axis: LoadAxis,
): string {
  const { meets, misses } = boundsOf(points);
  const capacity = capacityPerS === null ? "" : `; its capacity is ${figures(capacityPerS)} per s`;
  return `highest sustainable load: ${rangeText(meets, misses, axis)}${capacity}`;
}

function rangeText(meets: number, misses: number | undefined, axis: LoadAxis): string {
  if (misses !== undefined) {
    const text = loadText(axis, misses);
    return meets === 0 ? `below ${text}` : `between ${meets} and ${text} (95% intervals)`;
  }
  return meets === 0
    ? "too close to tell"
    : `at least ${loadText(axis, meets)} (no higher load was simulated)`;
}
