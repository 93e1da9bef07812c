/** Queues that take long to settle, and what plans close to full promise. */
import { describe, expect, test } from "vitest";
import { expectedSeconds } from "../engine/arrivals/arrival-source.ts";
import { finished } from "../engine/basics/iterables.ts";
import { goalsOf } from "../results/slo.ts";
import { parseScenario } from "../scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { alternativeOf, choiceOf, contenderOf } from "./contenders.ts";
import { makePlans } from "./plan.ts";
import { isSettled, settled } from "./run-length.ts";
import { relaxationS } from "./settling.ts";
import { solve } from "./solve.test-support.ts";
import { type Shape, Space } from "./space.ts";

/** One server of ten exponential jobs per second. */
function server(arrivals: string, durationS: number, percentile = 98.5) {
  const text = `
name: server
pipelines: { p: { slo: { latencyMs: 8000, percentile: ${percentile} }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 100 } } }
cluster: { replicas: { serve: 1 } }
sweep: { cluster.replicas.serve: [1] }
workload: { arrivals: ${arrivals}, durationS: ${durationS}, warmupS: 0 }
run: { seed: 1, replications: 10 }
`;
  return parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
}

function settlingS(arrivals: string): number {
  const { document } = server(arrivals, 1);
  const space = new Space(document, { low: [1], high: [1] });
  const choice = choiceOf(document, NO_INPUTS, space, goalsOf(document));
  const shape = space.cheapestFor([[1]]) as Shape;
  return relaxationS(contenderOf(alternativeOf(document, {}, choice), shape));
}

const poisson = (ratePerS: number) => `poisson, ratePerS: ${ratePerS}`;

test("one queue settles in about the relaxation time of M/M/1, 1 / μ (1 − √ρ)²", () => {
  for (const load of [0.9, 0.95, 0.99]) {
    const exact = 1 / (10 * (1 - Math.sqrt(load)) ** 2);
    expect(settlingS(poisson(10 * load)) / exact).toBeGreaterThan(0.95);
    expect(settlingS(poisson(10 * load)) / exact).toBeLessThan(1.1);
  }
});

test("with bursts above what is done it settles as slowly as a fluid queue, (u + v) / (√(a u) − √(b v))²", () => {
  const states = (high: number) =>
    `mmpp, states: [{ ratePerS: 2, meanS: 60 }, { ratePerS: ${high}, meanS: 60 }]`;
  const exact = (3 + 8) / (Math.sqrt(3 / 60) - Math.sqrt(8 / 60)) ** 2;
  expect(settlingS(states(13)) / exact).toBeGreaterThan(0.7);
  expect(settlingS(states(13)) / exact).toBeLessThan(1.8);
  // A queue that no state leaves short follows the state.
  expect(settlingS(states(9))).toBeCloseTo(settlingS(poisson(9)), 9);
});

test("runs that know a queue stay as they are, and others leave out their start and count ten of its times", () => {
  const { document } = server(poisson(9.5), 1000);
  expect(settled(document, 20)).toBe(document);
  for (const queueS of [50, 160]) {
    expect(isSettled(document, queueS)).toBe(false);
    const longer = settled(document, queueS);
    expect(longer.workload).toMatchObject({ warmupS: 4 * queueS });
    expect(expectedSeconds(longer.workload)).toBe(4 * queueS + Math.max(1000, 10 * queueS));
    expect(settled(longer, queueS)).toBe(longer);
  }
});

describe("close to full", () => {
  const planned = (
    ratePerS: number,
    percentile: number,
    promise: "runs" | "long-run" = "long-run",
  ) => {
    const options = { mostReplicas: 1, schedulers: [], solve, promise };
    const loaded = server(poisson(ratePerS), 100, percentile);
    return finished(makePlans(loaded, NO_INPUTS, options))[0];
  };

  test("runs whose start is too good promise nothing", () => {
    // 1 − e^(−0.5 · 8) is 98.2%; runs of 100 s that begin empty keep more than 99%.
    expect(planned(9.5, 98.5, "runs")).toMatchObject({ state: "confirmed", promise: "runs" });
    const { state, nearest } = planned(9.5, 98.5);
    expect(state).toBe("none");
    // The runs that refused it are shown, not the search's, which keep the SLO.
    expect(nearest?.kept.p.sloAttainmentRatio.mean).toBeLessThan(0.985);
  });

  test("longer runs promise the long run", () => {
    expect(planned(9.5, 90)).toMatchObject({
      state: "confirmed",
      promise: "long-run",
      settlesS: null,
    });
  });

  test("where these would be too long, the scenario's promise no more than themselves", () => {
    const { settlesS, ...plan } = planned(9.99, 50);
    expect(plan).toMatchObject({ state: "confirmed", promise: "runs" });
    expect(settlesS).toBeGreaterThan(100_000);
  });
});
