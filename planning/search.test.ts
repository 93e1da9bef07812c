/** How long a search in a large space goes on: a budget of requests in place of seconds, which differ by machine. */
import { expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { finished } from "../engine/basics/iterables.ts";
import { parseScenario } from "../scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { makePlans } from "./plan.ts";
import { solve } from "./solve.test-support.ts";
import type { Known } from "./trial.ts";

/** Plans the scenario alone within so many requests; the share of them that were spent besides. */
function planWithin(budget: number, text: string) {
  const loaded = parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
  let requests = 0;
  const known: Known = {
    get: () => undefined,
    set: (_, run) => {
      requests += run.requests;
    },
  };
  const spent = () => requests / budget;
  const pace = { spent, isOver: () => spent() >= 1 };
  const options = { mostReplicas: 64, schedulers: [], solve, known, pace };
  const [plan] = finished(makePlans(loaded, NO_INPUTS, options));
  return { plan, spent: spent() };
}

test.runIf(IS_LONG)(
  "with one scheduler goes on after the quarter in which it found its first plan",
  () => {
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
    const { plan, spent } = planWithin(2_400_000, text);
    expect(plan.state).toBe("confirmed");
    expect(spent).toBeGreaterThan(0.5);
  },
);

test("its first plan has slow machines for some tasks where each could run on them, but not all", () => {
  const names = Array.from({ length: 6 }, (_, i) => `t${i}`);
  const tasks = names.map((name, i) => {
    return `      ${name}: { model: m${i === 0 ? "" : `, after: [${names[i - 1]}]`} }`;
  });
  const text = `
name: chain
pipelines:
  p:
    slo: { latencyMs: 400, percentile: 99 }
    tasks:
${tasks.join("\n")}
models:
  m: { service: { distribution: lognormal, meanMs: 20, cv: 0.5 } }
cluster:
  nodes:
    - { name: fast, count: 60, devices: { gpu: 1 }, costPerHour: 1 }
    - { name: slow, count: 120, devices: { cpu: { slots: 1, speed: 0.4 } }, costPerHour: 0.25 }
  replicas: { ${names.map((name) => `${name}: 1`).join(", ")} }
workload: { arrivals: poisson, ratePerS: 200, durationS: 60, warmupS: 5 }
run: { seed: 1, replications: 5 }
`;
  const { plan } = planWithin(300_000, text);
  // On slow machines alone all are late; fast ones alone cost 30, as a task needs more than four.
  expect(plan.best?.cost).toBeLessThan(26);
});

test.runIf(IS_LONG)("replicas are placed anew on fewer machines of several slots", () => {
  const text = `
name: claims
pipelines:
  claims:
    slo: { latencyMs: 900, percentile: 99 }
    tasks:
      intake: { model: unpack }
      layout: { model: layout, after: [intake] }
      tables: { model: table, after: [layout] }
      handwriting: { model: reader, after: [layout], when: { probability: 0.25 } }
      merge: { model: merger, after: [tables, handwriting] }
models:
  unpack: { service: { distribution: deterministic, meanMs: 8 } }
  layout: { service: { distribution: lognormal, meanMs: 40, cv: 0.6 } }
  table: { service: { distribution: deterministic, meanMs: 60 } }
  reader: { service: { distribution: lognormal, meanMs: 220, cv: 0.7 } }
  merger: { service: { distribution: deterministic, meanMs: 6 } }
cluster:
  nodes:
    - { name: big, count: 6, devices: { gpu: { slots: 2, speed: 1 } }, costPerHour: 3.1 }
    - { name: t4, count: 10, devices: { gpu: { slots: 1, speed: 0.45 } }, costPerHour: 0.7 }
    - { name: cpu, count: 6, devices: { cpu: { slots: 4, speed: 0.12 } }, costPerHour: 0.22 }
  replicas: { intake: 1, layout: 1, tables: 1, handwriting: 1, merge: 1 }
workload: { arrivals: poisson, ratePerS: 10, durationS: 300, warmupS: 30 }
run: { seed: 7, replications: 6 }
`;
  const { plan } = planWithin(400_000, text);
  // Two big machines and a cpu; taking replicas away ends at 7.12.
  expect(plan.best?.cost).toBeLessThanOrEqual(6.42);
});
