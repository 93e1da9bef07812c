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

/** A node and the nodes after it have these slots for a need. */
interface Rest {
  readonly slots: number;
  readonly leastPerSlot: number;
  /** The largest machine has so many. */
  readonly mostSlots: number;
}

/** By node, with an end. */
function restsOf(
  { slots }: Need,
  most: readonly number[],
  prices: readonly number[],
): readonly Rest[] {
  const rests: Rest[] = [{ slots: 0, leastPerSlot: Number.POSITIVE_INFINITY, mostSlots: 0 }];
  for (let node = most.length - 1; node >= 0; node--) {
    const [after] = rests;
    const price = prices[node] / slots[node];
    rests.unshift({
      slots: after.slots + most[node] * slots[node],
      leastPerSlot: slots[node] === 0 ? after.leastPerSlot : Math.min(after.leastPerSlot, price),
      mostSlots: Math.max(after.mostSlots, slots[node]),
    });
  }
  return rests;
}

/** The cheapest machines with all slots that are needed; of equal ones, the fewest. Null where there are too few. */
export function cheapestCover(
  given: readonly Need[],
  counted: readonly number[],
  priced: readonly number[],
) {
  // The best value comes last, so that the first that is found has as much of it as may be.
  const perSlot = priced.map((price, node) => {
    return price / Math.max(...given.map(({ slots }) => slots[node]));
  });
  const order = [...counted.keys()].sort((a, b) => perSlot[b] - perSlot[a]);
  const inOrder = (each: readonly number[]): number[] => order.map((node) => each[node]);
  const [most, prices] = [inOrder(counted), inOrder(priced)];
  const needs = given.map(({ slots, left }) => ({ slots: inOrder(slots), left }));
  const rests = needs.map((need) => restsOf(need, most, prices));
  let best: Price & { readonly counts: readonly number[] } = { ...DEAREST, counts: [] };
  const counts = most.map(() => 0);
  const visit = (node: number, left: readonly number[], cost: number, total: number): void => {
    let [leastCost, leastTotal, fewest, useful] = [cost, total, 0, 0];
    for (const [n, { slots }] of needs.entries()) {
      if (left[n] <= 0) continue;
      const rest = rests[n][node];
      if (left[n] > rest.slots) return;
      leastCost = Math.max(leastCost, cost + left[n] * rest.leastPerSlot);
      leastTotal = Math.max(leastTotal, total + Math.ceil(left[n] / rest.mostSlots));
      if (slots[node] === 0) continue;
      useful = Math.max(useful, Math.ceil(left[n] / slots[node]));
      fewest = Math.max(fewest, Math.ceil((left[n] - rests[n][node + 1].slots) / slots[node]));
    }
    if (!isLess({ cost: leastCost, total: leastTotal }, best)) return;
    if (node === most.length) {
      best = { cost, total, counts: [...counts] };
      return;
    }
    for (let count = fewest; count <= Math.min(useful, most[node]); count++) {
      counts[node] = count;
      const after = left.map((one, n) => Math.max(0, one - count * needs[n].slots[node]));
      visit(node + 1, after, cost + count * prices[node], total + count);
    }
    counts[node] = 0;
  };
  const left = needs.map((need) => need.left);
  visit(0, left, 0, 0);
  if (best.cost === Number.POSITIVE_INFINITY) return null;
  // Sums of prices differ in their last digits by the order of their terms.
  return {
    cost: Number(best.cost.toFixed(9)),
    counts: counted.map((_, node) => best.counts[order.indexOf(node)]),
  };
}

interface Price {
  readonly cost: number;
  /** Machines. */
  readonly total: number;
}

const DEAREST: Price = { cost: Number.POSITIVE_INFINITY, total: Number.POSITIVE_INFINITY };

function isLess(one: Price, other: Price): boolean {
  const isAsDear = one.cost <= other.cost + 1e-9;
  return one.cost < other.cost - 1e-9 || (isAsDear && one.total < other.total);
}
