/** How long a search in a large space goes on: a budget of requests in place of seconds, which differ by machine. */
import { expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { parseScenario } from "../scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { makePlans } from "./plan.ts";
import { solve } from "./solve.test-support.ts";
import type { Known } from "./trial.ts";

const BUDGET = 2_400_000;

test("with one scheduler goes on after the quarter in which it found its first plan", () => {
  const text = `
name: orders
pipelines:
  orders:
    slo: { latencyMs: 800, percentile: 99 }
    tasks:
      decode: { model: decoder }
      layout: { model: layouter, after: [decode] }
      fields: { model: reader, after: [decode], when: { contains: form, probability: 0.5 } }
      merge: { model: merger, after: [layout, fields] }
models:
  decoder: { service: { distribution: lognormal, meanMs: 8, cv: 0.3 } }
  layouter: { service: { distribution: gamma, meanMs: 40, cv: 0.5 } }
  reader: { service: { distribution: lognormal, meanMs: 90, cv: 0.6 } }
  merger: { service: { distribution: exponential, meanMs: 15 } }
cluster:
  nodes:
    - { name: fast, count: 12, devices: { gpu: 1 }, costPerHour: 1.8 }
    - { name: slow, count: 30, devices: { cpu: { slots: 1, speed: 0.3 } }, costPerHour: 0.35 }
  replicas: { decode: 1, layout: 1, fields: 1, merge: 1 }
workload: { arrivals: poisson, ratePerS: 38, durationS: 60, warmupS: 10 }
run: { seed: 11, replications: 4 }
`;
  const loaded = parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
  let requests = 0;
  const known: Known = {
    get: () => undefined,
    set: (_, run) => {
      requests += run.requests;
    },
  };
  const spent = () => requests / BUDGET;
  const pace = { spent, isOver: () => spent() >= 1 };
  const options = { mostReplicas: 64, schedulers: [], solve, known, pace };
  const [{ state }] = finished(makePlans(loaded, NO_INPUTS, options));
  expect(state).toBe("confirmed");
  expect(spent()).toBeGreaterThan(0.5);
});
