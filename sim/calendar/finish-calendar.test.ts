import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { RandomStream } from "../../engine/random/stream.ts";
import { CalendarQueue, type FinishCalendar, finishCalendar } from "./finish-calendar.ts";

/** The plainest calendar, to compare with. */
class PlainCalendar implements FinishCalendar {
  readonly #entries: { replica: number; atUs: number }[] = [];

  least(): number {
    return this.#entries[0]?.atUs ?? Number.POSITIVE_INFINITY;
  }

  take(): number {
    return this.#entries.shift()?.replica as number;
  }

  set(replica: number, atUs: number): void {
    const later = this.#entries.findIndex((entry) => entry.atUs > atUs);
    this.#entries.splice(later < 0 ? this.#entries.length : later, 0, { replica, atUs });
  }
}

/** Replicas start and finish as the steps say; `after` gives each service time. */
function compare(replicas: number, steps: Iterable<{ start: boolean; afterUs: number }>): number {
  const tested = finishCalendar(replicas);
  const plain = new PlainCalendar();
  const idle = Array.from({ length: replicas }, (_, replica) => replica);
  let nowUs = 0;
  let takes = 0;
  for (const { start, afterUs } of steps) {
    if (idle.length > 0 && (start || idle.length === replicas)) {
      const replica = idle.shift() as number;
      tested.set(replica, nowUs + afterUs);
      plain.set(replica, nowUs + afterUs);
    } else {
      nowUs = plain.least();
      const expected = plain.take();
      equal(tested.take(), expected);
      idle.push(expected);
      takes++;
    }
    equal(tested.least(), plain.least());
  }
  return takes;
}

describe.each([1, 3, 24, 25, 100])("a calendar of %i replicas", (replicas) => {
  const afterUs = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: 0, max: 2 ** 46 }),
  );

  test("gives the earliest first, equal instants in order of entry", () => {
    const steps = fc.array(fc.record({ start: fc.boolean(), afterUs }), {
      maxLength: 600,
      size: "max",
    });
    fc.assert(
      fc.property(steps, (list) => {
        compare(replicas, list);
      }),
      { numRuns: 40 },
    );
  });
});

describe("over many takes", () => {
  const laws: Readonly<Record<string, (u: number, n: number) => number>> = {
    "exponential times": (u) => Math.round(-10_000 * Math.log(1 - u)),
    "equal times": () => 10_000,
    "two kinds of times, a thousandfold apart": (u) => (u < 0.9 ? 900 + Math.round(200 * u) : 1e6),
    "times that grow": (u, n) => Math.round(u * n ** 2),
    "times that shrink": (u, n) => Math.round((u * 1e9) / (n + 1)),
  };

  test.each(
    Object.keys(laws).flatMap((law) => [
      { replicas: 12, law },
      { replicas: 300, law },
    ]),
  )("a calendar of $replicas replicas keeps its order, with $law", ({ replicas, law }) => {
    const stream = new RandomStream("1", law);
    const steps = Array.from({ length: 20_000 }, (_, n) => ({
      start: stream.uniform() < 0.52,
      afterUs: laws[law](stream.uniform(), n),
    }));
    ok(compare(replicas, steps) > 9000);
  });

  test.each(Object.keys(laws))(
    "the calendar for many replicas passes few entries a take, with %s",
    (law) => {
      const stream = new RandomStream("2", law);
      const calendar = new CalendarQueue(4096);
      for (let replica = 0; replica < 4096; replica++) {
        calendar.set(replica, laws[law](stream.uniform(), replica));
      }
      const takes = 400_000;
      for (let n = 0; n < takes; n++) {
        const nowUs = calendar.least();
        calendar.set(calendar.take(), nowUs + laws[law](stream.uniform(), n));
      }
      ok(calendar.passedInAll / takes < 12);
    },
  );
});
