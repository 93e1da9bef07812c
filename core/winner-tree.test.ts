import fc from "fast-check";
import { expect, test } from "vitest";
import { WinnerTree } from "./winner-tree.ts";

/** The plain list that the tree must agree with: least key, then set first. */
class NaiveTree {
  readonly #entries = new Map<number, { key: number; order: number }>();
  #orders = 0;

  set(slot: number, key: number): void {
    this.#entries.delete(slot);
    if (key !== Number.POSITIVE_INFINITY) this.#entries.set(slot, { key, order: this.#orders++ });
  }

  first(): [slot: number, key: number] | null {
    let best: [number, number, number] | null = null;
    for (const [slot, { key, order }] of this.#entries) {
      if (best === null || key < best[1] || (key === best[1] && order < best[2])) {
        best = [slot, key, order];
      }
    }
    return best === null ? null : [best[0], best[1]];
  }
}

// Mostly sets, or the tree would hardly ever have more than two slots to compare.
const action = fc.record({
  kind: fc.constantFrom("set", "set", "set", "set", "clear", "take", "look", "look"),
  slot: fc.nat(20),
  key: fc.nat(6),
});

test("a tree agrees with a plain list after any sequence of sets, clears, takes and looks", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 21 }),
      fc.array(action, { maxLength: 120 }),
      (slots, actions) => {
        const tree = new WinnerTree(slots);
        const naive = new NaiveTree();
        for (const { kind, slot, key } of actions) {
          const first = naive.first();
          if (kind === "set" || kind === "clear") {
            const value = kind === "set" ? key : Number.POSITIVE_INFINITY;
            tree.set(slot % slots, value);
            naive.set(slot % slots, value);
          } else if (first === null) {
            expect(tree.least()).toBe(Number.POSITIVE_INFINITY);
          } else if (kind === "take") {
            expect(tree.take()).toBe(first[0]);
            naive.set(first[0], Number.POSITIVE_INFINITY);
          } else {
            expect([tree.winner(), tree.least()]).toEqual(first);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
});

test("equal keys come out in the order in which they were set, also after being set again", () => {
  const tree = new WinnerTree(4);
  for (const slot of [2, 0, 3, 1]) tree.set(slot, 5);
  tree.set(2, 5);
  expect([tree.take(), tree.take(), tree.take(), tree.take()]).toEqual([0, 3, 1, 2]);
  expect(tree.least()).toBe(Number.POSITIVE_INFINITY);
});
