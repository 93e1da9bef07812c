import fc from "fast-check";
import { expect, test } from "vitest";
import { EventHeap } from "./event-heap.ts";

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
