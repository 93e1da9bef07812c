/** Queues that take long to settle, and what a plan whose runs are shorter promises. */
import { expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { goalsOf } from "../results/slo.ts";
import { parseScenario } from "../scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { alternativeOf, choiceOf, contenderOf } from "./contenders.ts";
import { makePlans } from "./plan.ts";
import { unsettledS } from "./settling.ts";
import { solve } from "./solve.test-support.ts";
import { type Shape, Space } from "./space.ts";

/** One server of ten exponential jobs per second. */
function server(arrivals: string, durationS: number) {
  const text = `
name: server
pipelines: { p: { slo: { latencyMs: 8000, percentile: 98.5 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 100 } } }
cluster: { replicas: { serve: 1 } }
sweep: { cluster.replicas.serve: [1] }
workload: { arrivals: ${arrivals}, durationS: ${durationS}, warmupS: 0 }
run: { seed: 1, replications: 10 }
`;
  return parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
}

function settlesS(arrivals: string, durationS = 1): number | null {
  const { document } = server(arrivals, durationS);
  const space = new Space(document, { low: [1], high: [1] });
  const choice = choiceOf(document, NO_INPUTS, space, goalsOf(document));
  const shape = space.cheapestFor([[1]]) as Shape;
  return unsettledS(contenderOf(alternativeOf(document, {}, choice), shape));
}

const poisson = (ratePerS: number) => `poisson, ratePerS: ${ratePerS}`;

test("one queue settles in about the relaxation time of M/M/1, 1 / μ (1 − √ρ)², if the runs are shorter", () => {
  for (const load of [0.9, 0.95, 0.99]) {
    const exact = 1 / (10 * (1 - Math.sqrt(load)) ** 2);
    const found = Number(settlesS(poisson(10 * load)));
    expect(found / exact).toBeGreaterThan(0.95);
    expect(found / exact).toBeLessThan(1.1);
    expect(settlesS(poisson(10 * load), 1.2 * exact)).toBeNull();
  }
});

test("with bursts above what is done it settles as slowly as a fluid queue, (u + v) / (√(a u) − √(b v))²", () => {
  const states = (high: number) =>
    `mmpp, states: [{ ratePerS: 2, meanS: 60 }, { ratePerS: ${high}, meanS: 60 }]`;
  const exact = (3 + 8) / (Math.sqrt(3 / 60) - Math.sqrt(8 / 60)) ** 2;
  expect(Number(settlesS(states(13))) / exact).toBeGreaterThan(0.7);
  expect(Number(settlesS(states(13))) / exact).toBeLessThan(1.8);
  // A queue that no state leaves short follows the state.
  expect(settlesS(states(9))).toBeCloseTo(Number(settlesS(poisson(9))), 9);
});

test("a plan promises no long run that its runs are too short for", () => {
  const planned = (ratePerS: number, durationS: number) => {
    const options = { mostReplicas: 1, mostTrials: 9, schedulers: [], solve };
    const loaded = server(poisson(ratePerS), durationS);
    const [{ state, promise, settlesS: found }] = finished(makePlans(loaded, NO_INPUTS, options));
    return { state, promise, settles: found === null ? null : Math.round(found / 20) * 20 };
  };
  // 1 − e^(−0.5 · 8) is 98.2%, less than the SLO: runs of 100 s that begin empty keep more than 99%.
  expect(planned(9.5, 100)).toEqual({ state: "confirmed", promise: "runs", settles: 160 });
  expect(planned(8, 100)).toEqual({ state: "confirmed", promise: "long-run", settles: null });
});
