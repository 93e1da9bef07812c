/** The cheapest machines with room for replicas, found exactly. */
import { sumOf } from "../engine/statistics/estimate.ts";

export interface Need {
  /** Slots of a machine, by node. */
  readonly slots: readonly number[];
  readonly left: number;
}

export function slotsOf(each: readonly number[], counts: readonly number[]): number {
  return sumOf(each.map((slots, node) => slots * counts[node]));
}

/** The cheapest machines with all slots that are needed; of equal ones, the fewest. Null where there are too few. */
export function cheapestCover(
  needs: readonly Need[],
  most: readonly number[],
  prices: readonly number[],
) {
  let best: { cost: number; total: number; counts: readonly number[] } | null = null;
  const counts = most.map(() => 0);
  const visit = (node: number, left: readonly number[], cost: number): void => {
    if (best !== null && cost > best.cost + 1e-9) return;
    if (node === most.length) {
      const total = sumOf(counts);
      const isBetter = best === null || cost < best.cost - 1e-9 || total < best.total;
      if (isBetter && left.every((one) => one <= 0)) best = { cost, total, counts: [...counts] };
      return;
    }
    let least = 0;
    let useful = 0;
    for (const [n, { slots }] of needs.entries()) {
      if (left[n] <= 0 || slots[node] === 0) continue;
      const machines = Math.ceil(left[n] / slots[node]);
      useful = Math.max(useful, machines);
      if (!slots.some((one, other) => other > node && one > 0)) least = Math.max(least, machines);
    }
    for (let count = least; count <= Math.min(useful, most[node]); count++) {
      counts[node] = count;
      const rest = left.map((one, n) => one - count * needs[n].slots[node]);
      visit(node + 1, rest, cost + count * prices[node]);
    }
    counts[node] = 0;
  };
  const left = needs.map((need) => need.left);
  visit(0, left, 0);
  const found = best as { cost: number; counts: readonly number[] } | null;
  // Sums of prices differ in their last digits by the order of their terms.
  return found && { cost: Number(found.cost.toFixed(9)), counts: found.counts };
}
