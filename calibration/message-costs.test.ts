import { describe, expect, test } from "vitest";
import { Fault } from "../engine/basics/fault.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { latenessUs, messageCosts, pilotOf, withMessageCosts } from "./message-costs.ts";

const COSTS = {
  arrivalUs: 900,
  dispatchUs: 40,
  completionUs: 1000,
  receiveUs: 800,
  arrivals: 3,
  dispatches: 3,
  completions: 3,
};

describe("messageCosts", () => {
  test("takes out of the round trips what it tells as the gateway's: the sum is what was measured", () => {
    const { clientRoundTripUs, workerRoundTripUs, gateway } = messageCosts({
      clientRoundTripUs: [1500, 2500, 2000],
      workerRoundTripUs: [1100, 1700, 3200],
      costs: COSTS,
    });
    expect(clientRoundTripUs.map((us) => us + COSTS.receiveUs)).toEqual([1500, 2000, 2500]);
    const outside = gateway.dispatchUs + COSTS.receiveUs;
    expect(workerRoundTripUs.map((us) => us + outside)).toEqual([1100, 1700, 3200]);
    expect(gateway).toEqual({ arrivalUs: 900, dispatchUs: 40, completionUs: 1000 });
  });

  test("never makes a round trip negative", () => {
    const { clientRoundTripUs } = messageCosts({
      clientRoundTripUs: [100],
      workerRoundTripUs: [],
      costs: COSTS,
    });
    expect(clientRoundTripUs).toEqual([0]);
  });
});

const inputs = { profiles: {}, traces: {} };

function document(meanMs: number, workload: object, pipeline: object = {}) {
  const tasks = { a: { model: "m" }, b: { model: "m", after: ["a"] } };
  return scenarioSchema.parse({
    name: "s",
    pipelines: { p: { tasks, ...pipeline } },
    models: { m: { service: { distribution: "exponential", meanMs } } },
    cluster: { replicas: { a: 2, b: 1 } },
    workload,
  });
}

/** Requests a second of the wall clock, and the busiest pool's utilization, of the pilot. */
function load(meanMs: number, workload: object, timeScale = 1) {
  const pilot = pilotOf({ document: document(meanMs, workload), inputs, timeScale });
  const { workload: own, scheduler } = pilot.document;
  expect(scheduler).toBe("fifo");
  if (own.arrivals !== "poisson") throw new Error("a pilot's arrivals are Poisson");
  const wallS = (own.durationS ?? 0) * pilot.timeScale;
  return {
    perS: own.ratePerS / pilot.timeScale,
    utilization: (own.ratePerS * meanMs) / 1000,
    wallS,
    timeScale: pilot.timeScale,
  };
}

test("a pilot has about the rate of the runs, where its replicas have room for it", () => {
  const own = load(2, { arrivals: "poisson", ratePerS: 60, durationS: 30 });
  expect(own).toMatchObject({ perS: 60, timeScale: 1, wallS: 5 });
  const scaled = load(2, { arrivals: "poisson", ratePerS: 60, durationS: 30 }, 0.5);
  expect(scaled.perS).toBeCloseTo(120, 6);
});

test("a pilot of slow models replays them faster, and stays as long", () => {
  const slow = load(4000, { arrivals: "poisson", ratePerS: 0.2, durationS: 600 });
  expect(slow.perS).toBeCloseTo(40, 6);
  expect(slow.utilization).toBeCloseTo(0.25, 6);
  expect(slow.wallS).toBeCloseTo(5, 6);
  const burst = load(50, { arrivals: "burst", requests: 100_000 });
  expect(burst.perS).toBeCloseTo(40, 6);
});

test("a pilot of held chains leaves room for all tasks in a row", () => {
  const workload = { arrivals: "poisson", ratePerS: 1, durationS: 60 };
  const held = document(100, workload, { discipline: "pipeline-held" });
  const { timeScale } = pilotOf({ document: held, inputs, timeScale: 1 });
  // 40/s of two tasks of 100 ms in a row, at a quarter of the time of one chain.
  expect(timeScale * 40 * 0.2).toBeCloseTo(0.25, 6);
});

test("replicas are late by what they waited longer than the same jobs take in the simulator", () => {
  const simulated = {
    a: { serviceMeanMs: 10, jobs: 100 },
    b: { serviceMeanMs: 20, jobs: 50 },
    idle: { serviceMeanMs: Number.NaN, jobs: 0 },
  };
  const waits = (a: number, b: number) => ({
    a: { serviceMeanMs: a, jobs: 100 },
    b: { serviceMeanMs: b, jobs: 50 },
    idle: { serviceMeanMs: Number.NaN, jobs: 0 },
  });
  expect(latenessUs(waits(10.3, 20.15), simulated)).toBeCloseTo(250, 6);
  expect(latenessUs(waits(9.9, 20), simulated)).toBe(0);
});

test("without a pilot the note says what is missing, and predictions go on as they are", async () => {
  const failing = {
    document: document(2, { arrivals: "burst", requests: 1 }),
    inputs,
    timeScale: 1,
    date: "2025-01-01",
    contents: () => {
      throw new Fault("cluster-failure", "no port is free");
    },
  };
  expect(await withMessageCosts(failing)).toEqual({
    inputs,
    note: "network and gateway are predicted as 0, so latencies too low: no overhead profile, and the pilot that stands for one failed: no port is free",
    doubt: null,
  });
  const interrupted = {
    ...failing,
    contents: () => {
      throw new Fault("interrupted", "interrupted");
    },
  };
  await expect(withMessageCosts(interrupted)).rejects.toThrow("interrupted");
});
