import fc from "fast-check";
import { expect, test } from "vitest";
import { LengthIndex } from "./pool.ts";

const FIRST = 10;

const change = fc.record({ replica: fc.nat(5), load: fc.integer({ min: -1, max: 40 }) });

test("the least loaded is the one that has had the least load for longest, as in a plain list", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 120 }), (changes) => {
      const index = new LengthIndex(FIRST, 6);
      // In order of the last change of load.
      const members = new Map<number, number>();
      for (const { replica, load } of changes) {
        index.set(FIRST + replica, load);
        if (members.get(replica) !== load) {
          members.delete(replica);
          if (load >= 0) members.set(replica, load);
        }
        const least = Math.min(...members.values());
        const expected = [...members].find(([, value]) => value === least);
        expect(index.least()).toBe(expected === undefined ? -1 : FIRST + expected[0]);
      }
    }),
    { numRuns: 400 },
  );
});
