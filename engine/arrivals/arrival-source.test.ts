import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { workloadSchema } from "../../scenario/schema/workload.ts";
import { moments } from "../random/distribution-checks.test-support.ts";
import {
  arrivalSource,
  countArrivals,
  expectedRequests,
  expectedSeconds,
  knownRequests,
} from "./arrival-source.ts";
import type { ArrivalSource } from "./sources.ts";

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

  test("of a trace played again come one mean gap after its last, as often as asked for", () => {
    const trace = { arrivals: "trace", file: "f.csv", column: "t", scale: 2 };
    const once = [0, 0, 20, 60];
    expect(take(sourceOf({ ...trace, repeat: 2 }, [0, 0, 10, 30]))).toEqual([
      ...once,
      ...once.map((us) => us + 80),
    ]);
    const cut = take(sourceOf({ ...trace, repeat: 2, requests: 5 }, [0, 0, 10, 30]));
    expect(cut).toEqual([...once, 80]);
  });

  test("of a trace that fills a duration stop at its end", () => {
    const trace = { arrivals: "trace", file: "f.csv", column: "t", repeat: "fill" };
    const times = take(sourceOf({ ...trace, durationS: 0.000_1 }, [0, 30]));
    expect(times).toEqual([0, 30, 60, 90]);
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

describe("a closed loop whose clients come and go", () => {
  const steps = [
    { atS: 0, clients: 2 },
    { atS: 10, clients: 1 },
    { atS: 20, clients: 3 },
  ];

  test("starts those who are there, and calls more at their time", () => {
    const source = sourceOf({ arrivals: "closed", clients: steps, requests: 100 });
    expect(take(source)).toEqual([0, 0, 20e6]);
    expect(source.exhausted).toBe(false);
  });

  test("lets a client go on its answer, and takes it back later", () => {
    const source = sourceOf({ arrivals: "closed", clients: steps, thinkMs: 1000, requests: 100 });
    expect([source.nextUs, take(source, 2)]).toEqual([0, [0, 0]]);
    source.requestEnded(4e6);
    expect(take(source, 1)).toEqual([5e6]);
    source.requestEnded(9.5e6);
    // It would send at 10.5 s, but one client is left then, and that one waits for its answer.
    expect(source.nextUs).toBe(20e6);
    source.requestEnded(12e6);
    expect(take(source)).toEqual([13e6, 20e6, 20e6]);
  });

  test("is exhausted when its clients have left for good", () => {
    const leaving = [
      { atS: 0, clients: 1 },
      { atS: 1, clients: 0 },
    ];
    const source = sourceOf({ arrivals: "closed", clients: leaving, durationS: 5 });
    expect(take(source)).toEqual([0]);
    expect(source.exhausted).toBe(false);
    source.requestEnded(2e6);
    expect(source.exhausted).toBe(true);
  });

  test("of one step is the plain closed loop", () => {
    const answers = [3, 5, 5, 9, 12, 20];
    const [plain, stepped] = [3, [{ atS: 0, clients: 3 }]].map((clients) => {
      const source = sourceOf({ arrivals: "closed", clients, thinkMs: 1, requests: 8 });
      const times = take(source);
      for (const nowUs of answers) {
        source.requestEnded(nowUs * 1000);
        times.push(...take(source));
      }
      return times;
    });
    expect(stepped).toEqual(plain);
    expect(plain).toHaveLength(8);
  });
});

const parsed = (workload: object) => workloadSchema.parse(workload);

const OPEN = [
  { arrivals: "poisson", ratePerS: 40 },
  { arrivals: "weibull", ratePerS: 40, cv: 1 },
  { arrivals: "diurnal", ratePerS: 40, amplitude: 1, periodS: 1e5, phase: 0.2 },
  { arrivals: "diurnal", ratePerS: 40, amplitude: 0.9, periodS: 300, phase: 0.7 },
  {
    arrivals: "ramp",
    rates: [
      { atS: 0, ratePerS: 10 },
      { atS: 90, ratePerS: 90 },
    ],
  },
];

describe.each(OPEN)("%j", (workload) => {
  test("sends about what is expected in its time, and is counted to the last", () => {
    const timed = parsed({ ...workload, durationS: 100 });
    const expected = knownRequests(timed) ?? Number.NaN;
    const count = countArrivals(timed, "1/0", null) ?? Number.NaN;
    expect(Math.abs(count - expected)).toBeLessThan(4 * Math.sqrt(expected));
    expect(expectedRequests(timed)).toBe(expected);
  });

  test("takes about the time that is expected for its requests", () => {
    const timed = parsed({ ...workload, durationS: 100 });
    const counted = parsed({ ...workload, requests: knownRequests(timed) });
    expect(countArrivals(counted, "1/0", null)).toBe(knownRequests(timed));
    expect(expectedSeconds(counted)).toBeCloseTo(100, 0);
  });
});

test("a trace is counted as it is played, and what answers pace not at all", () => {
  const trace = { arrivals: "trace", file: "t.csv", column: "t" };
  expect(countArrivals(parsed({ ...trace, repeat: 3 }), "1/0", [0, 1e6, 5e6])).toBe(9);
  expect(countArrivals(parsed({ arrivals: "closed", clients: 2, durationS: 9 }), "1/0", null)).toBe(
    null,
  );
});

test("where the rate ends at 0, nobody knows when the last request is due", () => {
  const rates = [
    { atS: 0, ratePerS: 1 },
    { atS: 1, ratePerS: 0 },
  ];
  expect(expectedSeconds(parsed({ arrivals: "ramp", rates, requests: 10 }))).toBe(0);
});
