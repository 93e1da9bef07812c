import { describe, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { OUTCOMES, type Outcome } from "../dispatch/driver.ts";
import { RequestRows, RunRecorder } from "./recorder.ts";
import { aggregate, type RunSummary, summarize } from "./summary.ts";

const system = compileSystem(
  scenarioSchema.parse({
    name: "metrics",
    pipelines: { p: { slo: { latencyMs: 20 }, tasks: { serve: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
    cluster: {
      replicas: { serve: 2 },
      nodes: [{ name: "host", devices: { cpu: 2 }, costPerHour: 3.6 }],
    },
    workload: { arrivals: "burst", requests: 1 },
  }),
  { profiles: {} },
);

const MS = 1000;

/** Records a request that is served alone from `startMs` until it ends. */
interface Visit {
  readonly arrivedMs: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome?: Outcome;
}

function record(visits: readonly Visit[], warmupMs: number, closeMs: number): RunRecorder {
  const recorder = new RunRecorder(system, warmupMs * MS, 0);
  const steps = visits.flatMap(({ arrivedMs, startMs, endMs, outcome = "completed" }, serial) => [
    { at: arrivedMs, act: () => recorder.arrived(arrivedMs * MS) },
    {
      at: startMs,
      act: () => recorder.jobStarted(0, arrivedMs * MS, (startMs - arrivedMs) * MS),
    },
    {
      at: endMs,
      act: () => {
        const latencyUs = (endMs - arrivedMs) * MS;
        recorder.batchRan(0, startMs * MS, endMs * MS, 1);
        recorder.ended(serial, 0, outcome, arrivedMs * MS, endMs * MS, latencyUs, 20 * MS);
      },
    },
  ]);
  const close = { at: closeMs, act: () => recorder.closeWindow(closeMs * MS) };
  for (const { act } of [...steps, close].sort((a, b) => a.at - b.at)) act();
  return recorder;
}

const metricsOf = (visits: readonly Visit[], warmupMs = 0, closeMs = 100): RunSummary["metrics"] =>
  summarize(record(visits, warmupMs, closeMs), { curve: false }).metrics;

const VISITS: readonly Visit[] = [
  { arrivedMs: 0, startMs: 0, endMs: 10 },
  { arrivedMs: 20, startMs: 30, endMs: 60 },
  { arrivedMs: 90, startMs: 95, endMs: 120 },
];

describe("the metrics of a run", () => {
  test("follow their formulas, by hand", () => {
    expect(metricsOf(VISITS)).toMatchObject({
      latencyMeanMs: (10 + 40 + 30) / 3,
      latencyP50Ms: 30,
      latencyMaxMs: 40,
      queueWaitMeanMs: (0 + 10 + 5) / 3,
      makespanMs: 120,
      // The third ends after the window, and is busy for 5 ms of it.
      throughputPerS: 2 / 0.1,
      goodputPerS: 1 / 0.1,
      inSystemMean: (10 + 40 + 10) / 100,
      utilizationRatio: (10 + 30 + 5) / (2 * 100),
      sloAttainmentRatio: 1 / 3,
      dropRatio: 0,
      batchSizeMean: 1,
      costPerHour: 3.6,
      costPer1000Requests: 1 / 20,
    });
  });

  test("leave out requests that arrived in the warm-up, and time before its end", () => {
    expect(metricsOf(VISITS, 40)).toMatchObject({
      latencyMeanMs: 30,
      queueWaitMeanMs: 5,
      throughputPerS: 1 / 0.06,
      inSystemMean: (20 + 10) / 60,
      utilizationRatio: (20 + 5) / (2 * 60),
    });
  });

  test("count each way to end", () => {
    const outcomes: readonly Outcome[] = ["completed", "refused", "dropped", "failed", "cancelled"];
    const visits = outcomes.map((outcome) => ({ arrivedMs: 1, startMs: 2, endMs: 3, outcome }));
    const metrics = metricsOf(visits);
    expect(metrics.dropRatio).toBe(3 / 5);
    expect(metrics.timeoutRatio).toBe(1 / 5);
    expect(metrics.sloAttainmentRatio).toBe(1 / 5);
    expect(metrics.latencyMeanMs).toBe(2);
  });

  test("of a run in which nobody was served have no latency, and no NaN", () => {
    const metrics = metricsOf([{ arrivedMs: 1, startMs: 1, endMs: 1, outcome: "refused" }]);
    expect(metrics.latencyMeanMs).toBeUndefined();
    expect(metrics.costPerHour).toBe(3.6);
    expect(metrics.costPer1000Requests).toBeUndefined();
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  });

  test("of a run that ended within its warm-up claim nothing of requests", () => {
    const { metrics, counted } = summarize(record(VISITS, 95, 100), { curve: false });
    expect(counted).toBe(0);
    const claims = ["queueWaitMeanMs", "dropRatio", "timeoutRatio", "sloAttainmentRatio"] as const;
    for (const name of claims) expect(metrics[name]).toBeUndefined();
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  });

  test("have a curve that ascends from the first percentile to the maximum", () => {
    const { curveMs } = summarize(record(VISITS, 0, 100), { curve: true });
    expect(curveMs).toHaveLength(102);
    expect([...curveMs].sort((a, b) => a - b)).toEqual(curveMs);
    expect([curveMs[0], curveMs[curveMs.length - 1]]).toEqual([10, 40]);
  });
});

describe("a run's digest", () => {
  const digestOf = (...visits: readonly Visit[]): string => record(visits, 0, 100).digest();
  const visit = { arrivedMs: 1, startMs: 2, endMs: 5 };

  test("tells every outcome from every other", () => {
    const digests = OUTCOMES.map((outcome) => digestOf({ ...visit, outcome }));
    expect(new Set(digests).size).toBe(OUTCOMES.length);
  });

  test("tells latencies, and the order of requests", () => {
    const later = { ...visit, endMs: 6 };
    const digests = [
      digestOf(visit),
      digestOf(later),
      digestOf(visit, later),
      digestOf(later, visit),
    ];
    expect(new Set(digests).size).toBe(4);
    expect(digestOf(visit, later)).toBe(digests[2]);
  });
});

describe("an aggregate", () => {
  const summaryOf = (...visits: readonly Visit[]): RunSummary =>
    summarize(record(visits, 0, 100), { curve: true });
  const short = summaryOf({ arrivedMs: 0, startMs: 0, endMs: 10 });
  const long = summaryOf({ arrivedMs: 0, startMs: 0, endMs: 20 });

  test("has the mean and the interval of its runs, and the mean of their curves", () => {
    const { metrics, requests, replications, latencyCurve } = aggregate([short, long]);
    expect([requests, replications]).toEqual([2, 2]);
    expect(metrics.latencyMeanMs?.mean).toBe(15);
    expect(metrics.latencyMeanMs?.halfWidth95).toBeCloseTo(12.706 * 5, 1);
    expect(latencyCurve?.latencyMs.every((ms) => ms === 15)).toBe(true);
  });

  test("leaves out a figure that some run lacks", () => {
    const none = summaryOf({ arrivedMs: 1, startMs: 1, endMs: 1, outcome: "refused" });
    expect(aggregate([short, none]).metrics.latencyMeanMs).toBeUndefined();
  });

  test("says of its plans how many stopped at their bound, and what they may lack", () => {
    const notes = (...runs: (number | null)[][]): readonly string[] =>
      aggregate(runs.map((planGaps) => ({ ...short, planGaps }))).notes;
    expect(notes([0, 0], [0.018, 0.0004, 0, 0])).toEqual([
      "accuracy scaling: 2 of 6 plans stopped at their bound, worst gap 1.80 points of accuracy",
    ]);
    expect(notes([null, 0])).toEqual([
      "accuracy scaling: 1 of 2 plans stopped at their bound, 1 of these before any plan was found",
    ]);
    expect([notes([0, 0]), aggregate([short]).notes]).toEqual([[], []]);
  });

  test("has a digest that depends on every run and on their order", () => {
    const digests = [[short, long], [long, short], [short]].map((runs) => aggregate(runs).digest);
    expect(new Set(digests).size).toBe(3);
  });
});

test("rows come out in the order in which they went in, in blocks, each once", () => {
  const COUNT = 40_000;
  const out: number[][] = [];
  const sizes: number[] = [];
  const rows = new RequestRows(({ count, serial, pipeline, arrivedUs, latencyUs, outcome }) => {
    sizes.push(count);
    for (let i = 0; i < count; i++) {
      out.push([serial[i], pipeline[i], arrivedUs[i], latencyUs[i], outcome[i]]);
    }
  });
  const expected: number[][] = [];
  for (let i = 0; i < COUNT; i++) {
    const outcome = i % OUTCOMES.length;
    expected.push([COUNT - i, i % 300, 1e12 + i, i / 4, outcome]);
    rows.add(COUNT - i, i % 300, 1e12 + i, i / 4, OUTCOMES[outcome]);
  }
  expect(out.length, "most left before the end").toBeGreaterThan(COUNT / 2);
  rows.flush();
  rows.flush();
  expect(out).toEqual(expected);
  expect(sizes.length).toBeGreaterThan(2);
});
