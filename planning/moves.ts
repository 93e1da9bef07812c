/** Clusters beside a given one: with its free slots in use, with fewer replicas, and without slow ones. */
import { sumOf } from "../engine/statistics/estimate.ts";
import type { Alternative } from "./contenders.ts";
import type { Row, Shape } from "./space.ts";

/** Replicas of a task that go at once beyond its part, until a machine is saved. */
const MOST_AT_ONCE = 8;

/** The rows with free slots used by the busiest tasks that have replicas of that kind: they cost nothing more. */
export function filled(alternative: Alternative, rows: readonly Row[]): readonly Row[] {
  const { choice, batches } = alternative;
  const { space, bounds, slowsDown } = choice;
  let full = rows;
  const shape = space.cheapestFor(rows);
  if (shape === null || slowsDown) return rows;
  for (;;) {
    const now = full;
    const ways = now.flatMap((row, t) =>
      row.flatMap((n, k) => {
        const more = now.with(t, row.with(k, n + 1));
        const isAllowed = n > 0 && sumOf(row) < space.bounds.high[t];
        if (!isAllowed || !space.fits(shape.machines, more)) return [];
        return [{ more, load: bounds.utilisation(t, row, batches[t]) }];
      }),
    );
    if (ways.length === 0) return full;
    full = ways.reduce((best, way) => (way.load > best.load ? way : best)).more;
  }
}

export function busiestFirst(
  { choice, batches }: Alternative,
  rows: readonly Row[],
): readonly number[] {
  const loads = rows.map((row, t) => choice.bounds.utilisation(t, row, batches[t]));
  return [...rows.keys()].sort((a, b) => loads[b] - loads[a]);
}

/** With a machine less: a replica of the task that stays least busy goes, until there is room for the others. */
function withMachines(
  alternative: Alternative,
  machines: readonly number[],
  node: number,
  rows: readonly Row[],
): Shape | null {
  const { space, bounds } = alternative.choice;
  if (space.fits(machines, rows)) return space.cheapestFor(rows);
  const ways = space.room.flatMap(({ kind, tasks, slots }) =>
    tasks.flatMap((t) => {
      const fewer = rows[t].with(kind, rows[t][kind] - 1);
      if (slots[node] === 0 || fewer[kind] < 0 || sumOf(fewer) < space.bounds.low[t]) return [];
      const load = bounds.utilisation(t, fewer, alternative.batches[t]);
      return [{ fewer: rows.with(t, fewer), load }];
    }),
  );
  if (ways.length === 0) return null;
  const { fewer } = ways.reduce((best, way) => (way.load < best.load ? way : best));
  return withMachines(alternative, machines, node, fewer);
}

/** Machines that cost less, the dearest first: one, two, four, … fewer of a kind, and of a cheaper kind none or more in place of one. */
export function lessMachines(
  { prices, counts }: Alternative["choice"]["space"],
  { machines, cost }: Shape,
): readonly (readonly number[])[] {
  const ways = machines.flatMap((count, node) => {
    const fewer = powersTo(count).map((gone) => machines.with(node, count - gone));
    const swapped = prices.flatMap((price, other) => {
      const most = Math.min(counts[other] - machines[other], Math.ceil(prices[node] / price) - 1);
      if (count === 0 || other === node) return [];
      const less = machines.with(node, count - 1);
      return [...powersTo(most), most].map((more) => less.with(other, less[other] + more));
    });
    return [...fewer, ...swapped];
  });
  const costOf = (way: readonly number[]) => sumOf(way.map((n, node) => n * prices[node]));
  const cheaperOnes = ways.filter((way) => costOf(way) < cost - 1e-9);
  return cheaperOnes.sort((one, other) => costOf(other) - costOf(one));
}

/** 1, 2, 4, … */
function powersTo(most: number): readonly number[] {
  return Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
}

/**
 * Shapes that cost less, the cheapest first: a part of a task's replicas on a kind less, or as many as save a machine; a
 * machine less; and none on a kind that is slow for a task, which `slow` names.
 */
export function cheaper(
  alternative: Alternative,
  { rows, cost, machines }: Shape,
  part: number,
): readonly { readonly shape: Shape; readonly slow: string | null }[] {
  const { space, bounds } = alternative.choice;
  const ways = rows.flatMap((row, t) =>
    row.flatMap((n, k) => {
      const without = (gone: number, slow: string | null = null) => {
        const fewer = row.with(k, n - gone);
        const isAllowed = n > 0 && gone <= n && sumOf(fewer) >= space.bounds.low[t];
        const shape = isAllowed ? space.cheapestFor(rows.with(t, fewer)) : null;
        return shape === null || shape.cost >= cost ? [] : [{ shape, slow }];
      };
      const least = Math.max(1, Math.floor(part * n));
      let few = without(least);
      for (let more = 1; few.length === 0 && more < MOST_AT_ONCE; more++)
        few = without(least + more);
      const isSlow = bounds.meanMs(t, k) > bounds.meanMs(t, bounds.fastestKind(t, row));
      return [...few, ...(isSlow ? without(n, `${t}/${k}`) : [])];
    }),
  );
  const shapes = machines.map((count, node) =>
    count === 0 ? null : withMachines(alternative, machines.with(node, count - 1), node, rows),
  );
  const less = shapes.flatMap((shape) =>
    shape === null || shape.cost >= cost ? [] : [{ shape, slow: null }],
  );
  return [...ways, ...less].sort((a, b) => a.shape.cost - b.shape.cost);
}
