import fc from "fast-check";
import { expect, test } from "vitest";
import { AnsweredKeys } from "./answered-keys.ts";

/** Few values, so that buckets and halves of hashes are shared. */
const hash = fc.record({ high: fc.integer({ min: 0, max: 1 }), low: fc.nat(40) });
const step = fc.oneof({ weight: 2, arbitrary: hash }, { weight: 1, arbitrary: fc.constant(null) });

test("what is known of answered keys is what was added and not dropped, also when the room grows", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const keys = new AnsweredKeys(4);
      const model: { high: number; low: number; atMs: number }[] = [];
      steps.forEach((added, i) => {
        if (added === null && model.length > 0) {
          model.shift();
          keys.dropOldest();
        } else if (added !== null) {
          model.push({ ...added, atMs: i });
          keys.add(added, { atMs: i, at: 10 * i, bytes: i });
        }
        expect(keys.size).toBe(model.length);
        expect(keys.oldestMs).toBe(model[0]?.atMs ?? Number.POSITIVE_INFINITY);
        for (let high = 0; high < 2; high++) {
          for (let low = 0; low <= 40; low += 3) {
            const last = model.findLast((key) => key.high === high && key.low === low);
            const known = last && { atMs: last.atMs, at: 10 * last.atMs, bytes: last.atMs };
            expect(keys.find({ high, low })).toEqual(known ?? null);
          }
        }
      });
    }),
  );
});
