import { equal } from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { IntRing } from "./int-ring.ts";

test("a ring agrees with a plain list, also while it grows around its end", () => {
  const steps = fc.array(fc.oneof(fc.nat(1000), fc.constant(null)), {
    minLength: 1,
    maxLength: 600,
    size: "max",
  });
  fc.assert(
    fc.property(steps, (items) => {
      const ring = new IntRing();
      const list: number[] = [];
      for (const item of items) {
        if (item !== null) {
          ring.push(item);
          list.push(item);
        } else if (list.length > 0) {
          equal(ring.peek(), list[0]);
          equal(ring.shift(), list.shift());
        }
        equal(ring.length, list.length);
      }
      while (list.length > 0) equal(ring.shift(), list.shift());
    }),
  );
});

test("a ring that is half used keeps its order when it grows", () => {
  const ring = new IntRing();
  for (let i = 0; i < 40; i++) ring.push(i);
  for (let i = 0; i < 30; i++) ring.shift();
  for (let i = 40; i < 200; i++) ring.push(i);
  for (let i = 30; i < 200; i++) expect(ring.shift()).toBe(i);
});
