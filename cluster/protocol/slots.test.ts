import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Slots } from "./slots.ts";

describe("slots", () => {
  it("give what was put in, once, as a map does, in any order", () => {
    const steps = fc.array(fc.record({ put: fc.boolean(), which: fc.nat() }), { maxLength: 400 });
    fc.assert(
      fc.property(steps, (all) => {
        const slots = new Slots<object>();
        const map = new Map<number, object>();
        const given = new Set<number>();
        for (const { put, which } of all) {
          if (put) {
            const value = {};
            const number = slots.put(value);
            expect(given.has(number)).toBe(false);
            given.add(number);
            map.set(number, value);
          } else if (map.size > 0) {
            const number = [...map.keys()][which % map.size];
            expect(slots.get(number)).toBe(map.get(number));
            expect(slots.take(number)).toBe(map.get(number));
            expect(slots.take(number)).toBe(null);
            map.delete(number);
          }
          expect(slots.size).toBe(map.size);
        }
        expect(new Set(slots.all)).toEqual(new Set(map.values()));
        expect(new Map(slots.entries)).toEqual(map);
        for (const [number, value] of map) expect(slots.get(number)).toBe(value);
      }),
    );
  });

  it("know no number that they did not give", () => {
    const slots = new Slots<string>();
    const number = slots.put("a");
    for (const wrong of [0, -1, number + 16, number + 0.5, Number.NaN, 2 ** 40]) {
      expect(slots.get(wrong)).toBe(null);
    }
    expect(slots.get(number)).toBe("a");
  });
});
