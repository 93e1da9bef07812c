import { describe, expect, test } from "vitest";
import { Fault } from "../engine/basics/fault.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import {
  aroundRunSeconds,
  effortOf,
  fitBudget,
  forecastRun,
  predict,
  runSeconds,
  shortened,
  startSeconds,
} from "./predict.ts";

const sideBySide: ScenarioDocument = scenarioSchema.parse({
  name: "side-by-side",
  pipelines: { p: { tasks: { serve: { model: "m" } } } },
  models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
  cluster: { replicas: { serve: 4 } },
  workload: { arrivals: "burst", requests: 4 },
});

function latencyMs(backend: "replay" | "onnx", contention: number[]): number {
  const overheadProfile = {
    schema: "tandem/overhead@1" as const,
    provenance: {
      kind: "measured" as const,
      model: "no-op",
      modelFiles: [],
      device: "cpu",
      host: "h",
      runtime: "r",
      date: "d",
    },
    clientRoundTripUs: [0],
    workerRoundTripUs: [0],
    contention,
    gateway: { arrivalUs: 0, dispatchUs: 0, completionUs: 0 },
  };
  const inputs = { profiles: {}, traces: {}, overheadProfile };
  const plan = { document: sideBySide, inputs, backend, timeScale: 1 };
  return predict(plan, 0).summary.metrics.latencyMeanMs ?? Number.NaN;
}

test("replicas that replay their times only wait: none slows another down", () => {
  expect(latencyMs("replay", [1])).toBeCloseTo(10, 9);
  expect(latencyMs("onnx", [1])).toBeCloseTo(40, 9);
  expect(latencyMs("onnx", [1, 1, 1, 1])).toBeCloseTo(10, 9);
});

function document(workload: object): ScenarioDocument {
  return scenarioSchema.parse({
    name: "effort",
    pipelines: { p: { tasks: { serve: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 100 } } },
    cluster: { replicas: { serve: 1 } },
    workload,
  });
}

const STEADY = { arrivals: "poisson", ratePerS: 5, durationS: 60, warmupS: 10 };
const forecast = (workload: object, timeScale = 1) =>
  forecastRun(document(workload), { profiles: {}, traces: {} }, timeScale);

describe("a run's length", () => {
  test("is the workload's, and the simulated time where the workload has none", () => {
    const steady = forecast(STEADY);
    expect(steady.seconds).toBeGreaterThanOrEqual(60);
    expect(steady.seconds).toBeLessThan(63);
    expect(steady.windowS).toBeCloseTo(steady.seconds - 10, 9);
    expect(steady.requests).toBeGreaterThan(200);
    // Ten requests of 100 ms on one replica.
    expect(forecast({ arrivals: "burst", requests: 10 })).toEqual({
      seconds: 1,
      windowS: 0,
      requests: 10,
    });
  });

  test("is scaled as the run is", () => {
    expect(forecast(STEADY, 0.1).seconds).toBeCloseTo(forecast(STEADY).seconds / 10, 9);
  });
});

describe("a validation's length", () => {
  const run = { seconds: 60, windowS: 50, requests: 300 };
  const start = startSeconds("replay");

  test("is points × (start-up + repeats × run)", () => {
    const { seconds } = effortOf([run, run], "replay", 5);
    expect(seconds).toBe(2 * (start + 5 * (60 + aroundRunSeconds("replay"))));
  });

  test("within the budget stays as it is, however much the budget", () => {
    expect(fitBudget([run], "replay", 5, 3600, 3)).toEqual(effortOf([run], "replay", 5));
  });

  test("has fewer runs first, at least three, and then shorter ones, within the budget", () => {
    for (const budgetS of [70, 120, 200, 250, 300, 340]) {
      const { repeats, share, seconds } = fitBudget([run], "replay", 5, budgetS, 3);
      expect(seconds).toBeLessThanOrEqual(budgetS);
      expect(repeats).toBeGreaterThanOrEqual(3);
      expect(share < 1 && repeats > 3).toBe(false);
      // Nothing is cut that would have fitted.
      if (repeats < 5 && share === 1) {
        expect(effortOf([run], "replay", repeats + 1).seconds).toBeGreaterThan(0.9 * budgetS);
      }
      if (share < 1) expect(seconds).toBeGreaterThan(0.9 * budgetS);
    }
  });

  test("has a least, which a smaller budget names and which then does", () => {
    let hint = "";
    try {
      fitBudget([run, run], "replay", 5, 20, 3);
    } catch (error) {
      expect((error as Fault).code).toBe("usage");
      expect((error as Fault).message).toMatch(/20 s are too few for 2 configurations × 3 runs/);
      hint = (error as Fault).hint ?? "";
    }
    const [, least] = /--budget (\d+)s/.exec(hint) ?? [];
    expect(fitBudget([run, run], "replay", 5, Number(least), 3).share).toBeCloseTo(0.1, 1);
    expect(() => fitBudget([run, run], "replay", 5, Number(least) - 3, 3)).toThrow(Fault);
  });

  test("of runs without a length of their own has only fewer runs", () => {
    const burst = { seconds: 20, windowS: 0, requests: 10 };
    expect(fitBudget([burst], "replay", 10, 120, 3)).toMatchObject({ share: 1, repeats: 4 });
    expect(() => fitBudget([burst], "replay", 10, 60, 3)).toThrow(/at least \d+ s/);
  });
});

describe("a shortened workload", () => {
  test("keeps its warm-up and a share of the rest", () => {
    expect(shortened(document(STEADY), 0.5).workload).toMatchObject({ durationS: 35, warmupS: 10 });
    const counted = { arrivals: "poisson", ratePerS: 5, requests: 300, warmupS: 10 };
    expect(shortened(document(counted), 0.5).workload).toMatchObject({ requests: 175 });
    const closed = { arrivals: "closed", clients: 3, requests: 200 };
    expect(shortened(document(closed), 0.25).workload).toMatchObject({ requests: 50 });
  });

  test("takes as long as was forecast", () => {
    const half = shortened(document(STEADY), 0.5);
    const { seconds } = forecastRun(half, { profiles: {}, traces: {} }, 1);
    expect(seconds / runSeconds(forecast(STEADY), 0.5)).toBeCloseTo(1, 1);
  });

  test("without a length is left as it is", () => {
    const burst = document({ arrivals: "burst", requests: 10 });
    expect(shortened(burst, 0.5)).toBe(burst);
    expect(shortened(document(STEADY), 1)).toEqual(document(STEADY));
  });
});
