import { describe, expect, test } from "vitest";
import { workloadSchema } from "../scenario/schema/workload.ts";
import { countArrivals } from "./arrival-source.ts";
import { expectedRequests, expectedSeconds, knownRequests } from "./extent.ts";

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
