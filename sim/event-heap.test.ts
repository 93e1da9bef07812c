import fc from "fast-check";
import { expect, test } from "vitest";
import { EventHeap } from "./event-heap.ts";

test("events come in order of time, those of one instant in order of entry, whenever they are added", () => {
  // A number is a time to add; null takes the next event.
  const steps = fc.array(fc.option(fc.nat(5), { freq: 3 }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (script) => {
      const heap = new EventHeap<{ atUs: number; id: number }>();
      let model: { atUs: number; id: number }[] = [];
      script.forEach((atUs, id) => {
        if (atUs !== null) {
          heap.add({ atUs, id });
          model = [...model, { atUs, id }].sort((a, b) => a.atUs - b.atUs || a.id - b.id);
        } else if (model.length > 0) {
          expect(heap.take()).toEqual(model.shift());
        }
        expect(heap.nextUs).toBe(model[0]?.atUs ?? Number.POSITIVE_INFINITY);
      });
    }),
  );
});
