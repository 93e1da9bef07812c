import { expect, test } from "vitest";
import type { Fault } from "../engine/basics/fault.ts";
import { refuseOverload } from "./load.ts";
import { readScenario } from "./scenario.ts";

async function issuesOf(workload: object, timeScale = 1): Promise<string[]> {
  const text = JSON.stringify({
    name: "s",
    pipelines: { p: { tasks: { t: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { t: 1 } },
    workload,
  });
  const loaded = await readScenario({ text, file: "s.yaml", overrides: {}, requireTimes: true });
  try {
    refuseOverload(loaded, [loaded.document], timeScale);
    return [];
  } catch (error) {
    return (error as Fault).issues.map(({ file, path }) => `${file} ${path}`);
  }
}

const states = (ratePerS: number) => [
  { ratePerS: 5, meanS: 1 },
  { ratePerS, meanS: 1 },
];
const rates = (ratePerS: number) => [
  { atS: 0, ratePerS: 5 },
  { atS: 60, ratePerS },
];

test.each([
  [{ arrivals: "deterministic", ratePerS: 1e5, durationS: 9 }, { ratePerS: 100_001 }, "ratePerS"],
  [
    { arrivals: "ramp", rates: rates(1e5), durationS: 1 },
    { rates: rates(1e6) },
    "rates.1.ratePerS",
  ],
  [
    { arrivals: "mmpp", states: states(9e4), durationS: 1 },
    { states: states(2e5) },
    "states.1.ratePerS",
  ],
  [
    { arrivals: "diurnal", ratePerS: 9e4, amplitude: 0.1, durationS: 1 },
    { amplitude: 1 },
    "ratePerS",
  ],
  [{ arrivals: "poisson", ratePerS: 5, requests: 1e7 }, { requests: 1e7 + 1 }, "requests"],
  [{ arrivals: "poisson", ratePerS: 100, durationS: 1e5 }, { durationS: 1.1e5 }, "durationS"],
  // From trough and from crest.
  [
    { arrivals: "diurnal", ratePerS: 100, amplitude: 1, periodS: 1e7, durationS: 6e4, phase: 0.75 },
    { phase: 0.25 },
    "durationS",
  ],
  [{ arrivals: "burst", requests: 1e6 }, { requests: 1e6 + 1 }, "requests"],
  [
    { arrivals: "mlperf-server", latencyBoundMs: 5, ratePerS: 5, minQueries: 1e7 },
    { minQueries: 2e7 },
    "minQueries",
  ],
])("%j is sent, with %j it is not", async (workload, more, path) => {
  expect(await issuesOf(workload)).toEqual([]);
  expect(await issuesOf({ ...workload, ...more })).toEqual([`s.yaml workload.${path}`]);
});

test("a scale of time makes a load faster", async () => {
  const workload = { arrivals: "poisson", ratePerS: 20_000, durationS: 1 };
  expect(await issuesOf(workload, 0.2)).toEqual([]);
  expect(await issuesOf(workload, 0.1)).toEqual(["s.yaml workload.ratePerS"]);
});

test("answers set the pace of a closed loop: nobody knows how many requests it will be", async () => {
  expect(await issuesOf({ arrivals: "closed", clients: 5, durationS: 1e9 })).toEqual([]);
});
