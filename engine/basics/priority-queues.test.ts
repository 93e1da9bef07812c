import fc from "fast-check";
import { expect, test } from "vitest";
import { EventHeap, WinnerTree } from "./priority-queues.ts";

test("events come in order of time, those of one instant in order of entry, whenever they are added", () => {
  // A number is a time to add; null takes the next event; "forget" keeps the even ones.
  const step = fc.oneof(
    { arbitrary: fc.nat(5), weight: 9 },
    { arbitrary: fc.constant(null), weight: 3 },
    { arbitrary: fc.constant("forget" as const), weight: 1 },
  );
  const steps = fc.array(step, { maxLength: 200 });
  fc.assert(
    fc.property(steps, (script) => {
      const heap = new EventHeap<{ atUs: number; id: number }>();
      let model: { atUs: number; id: number }[] = [];
      script.forEach((atUs, id) => {
        if (atUs === "forget") {
          heap.retain((event) => event.id % 2 === 0);
          model = model.filter((event) => event.id % 2 === 0);
        } else if (atUs !== null) {
          heap.add({ atUs, id });
          model = [...model, { atUs, id }].sort((a, b) => a.atUs - b.atUs || a.id - b.id);
        } else if (model.length > 0) {
          expect(heap.take()).toEqual(model.shift());
        }
        expect(heap.size).toBe(model.length);
        expect(heap.first).toEqual(model[0]);
        expect(heap.nextUs).toBe(model[0]?.atUs ?? Number.POSITIVE_INFINITY);
      });
    }),
  );
});

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
