import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ArrivalSource, arrivalSource } from "./arrivals.ts";
import { moments } from "./random/distribution-checks.test-support.ts";
import { workloadSchema } from "./scenario/schema/workload.ts";

const sourceOf = (workload: unknown, traceUs: number[] | null = null): ArrivalSource =>
  arrivalSource(workloadSchema.parse(workload), "1/0", traceUs);

function take(source: ArrivalSource, most = Number.POSITIVE_INFINITY): number[] {
  const times: number[] = [];
  while (times.length < most && source.nextUs !== Number.POSITIVE_INFINITY) {
    times.push(source.nextUs);
    source.advance();
  }
  return times;
}

const gaps = (times: readonly number[]): Float64Array =>
  Float64Array.from(times.slice(1), (time, i) => time - times[i]);

describe("open arrivals", () => {
  test.each([
    ["poisson", { arrivals: "poisson" }, 1],
    ["gamma", { arrivals: "gamma", cv: 2 }, 2],
    ["deterministic", { arrivals: "deterministic" }, 0],
  ])("%s: whole, ascending, with the rate and the variation asked for", (_, law, cv) => {
    const times = take(sourceOf({ ...law, ratePerS: 40, requests: 50_000 }));
    expect(times).toHaveLength(50_000);
    expect(times.every(Number.isInteger)).toBe(true);
    const between = gaps(times);
    expect(between.every((gap) => gap >= 0)).toBe(true);
    const { mean, deviation } = moments(between);
    expect(Math.abs(mean / 25_000 - 1)).toBeLessThanOrEqual((4 * cv) / Math.sqrt(50_000) + 1e-4);
    expect(Math.abs(deviation / 25_000 - cv)).toBeLessThan(0.05 * cv + 1e-4);
  });

  test("do not drift by rounding: a million gaps of a third of a second", () => {
    const source = sourceOf({ arrivals: "deterministic", ratePerS: 3, requests: 1_000_000 });
    const times = take(source);
    expect(times[999_999]).toBe(Math.round(1e6 * (1e6 / 3)));
    expect(source.exhausted).toBe(true);
  });

  test("stop before the end of a duration", () => {
    const source = sourceOf({ arrivals: "deterministic", ratePerS: 2, durationS: 2 });
    expect(take(source)).toEqual([500_000, 1_000_000, 1_500_000]);
    expect(source.exhausted).toBe(true);
    expect(source.horizonUs).toBe(2_000_000);
  });

  test("of a burst all come at 0", () => {
    expect(take(sourceOf({ arrivals: "burst", requests: 4 }))).toEqual([0, 0, 0, 0]);
  });

  test("of a trace come as written, stretched by its scale, up to the number asked for", () => {
    const trace = { arrivals: "trace", file: "f.csv", column: "t" };
    expect(take(sourceOf({ ...trace, scale: 1.5 }, [0, 10, 30]))).toEqual([0, 15, 45]);
    expect(take(sourceOf({ ...trace, requests: 2 }, [0, 10, 30]))).toEqual([0, 10]);
  });
});

describe("a closed loop", () => {
  test("never has more requests under way than clients, and thinks after each answer", () => {
    const answers = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), answers, (clients, services) => {
        const source = sourceOf({ arrivals: "closed", clients, thinkMs: 5, requests: 1000 });
        expect(take(source)).toEqual(new Array(clients).fill(0));
        let nowUs = 0;
        for (const serviceUs of services) {
          nowUs += serviceUs;
          source.requestEnded(nowUs);
          expect(source.nextUs).toBe(nowUs + 5000);
          nowUs = source.nextUs;
          source.advance();
          expect(source.nextUs).toBe(Number.POSITIVE_INFINITY);
        }
      }),
    );
  });

  test("is exhausted after the number of requests asked for, not while its clients wait", () => {
    const source = sourceOf({ arrivals: "closed", clients: 2, requests: 3 });
    expect(take(source)).toEqual([0, 0]);
    expect(source.exhausted).toBe(false);
    source.requestEnded(7);
    expect(take(source)).toEqual([7]);
    expect(source.exhausted).toBe(true);
  });
});
