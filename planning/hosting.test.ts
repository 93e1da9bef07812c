/** Plans with resources of machines, and with schedulers that place models on shared slots. */
import { describe, expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { checkMemory, checkResources, checkSlots } from "../scenario/checks/check-cluster.ts";
import { parseScenario } from "../scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { makePlans, type Plan, type PlanOptions } from "./plan.ts";
import { solve } from "./solve.test-support.ts";
import { Space } from "./space.ts";

const loaded = (text: string) => parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });

function planOf(text: string, options: Partial<PlanOptions> = {}): Plan {
  const usual = {
    mostReplicas: 8,
    schedulers: [],
    solve,
  } as const;
  const steps = makePlans(loaded(text), NO_INPUTS, { ...usual, ...options });
  return finished(steps)[0];
}

function expectSound({ planned: document }: Plan): void {
  if (document === null) expect.fail("no plan");
  expect([...checkSlots(document), ...checkMemory(document), ...checkResources(document)]).toEqual(
    [],
  );
}

describe("a plan with resources", () => {
  const text = (demand: number, ratePerS: number) => `
name: resources
pipelines: { p: { slo: { latencyMs: 200, percentile: 95 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: deterministic, meanMs: 50 }, demand: { cpu: ${demand} } } }
cluster:
  nodes:
    - { name: thin, count: 4, devices: { gpu: 4 }, resources: { cpu: 2 }, costPerHour: 1 }
    - { name: wide, count: 4, devices: { gpu: 4 }, resources: { cpu: 8 }, costPerHour: 3 }
  replicas: { serve: 1 }
workload: { arrivals: poisson, ratePerS: ${ratePerS}, requests: 800, warmupS: 5 }
run: { seed: 1, replications: 3 }
`;

  test("puts no replica on a machine that cannot hold its demand", () => {
    const { document } = loaded(text(4, 5));
    expect(new Space(document, { low: [1], high: [2] }).runsOn).toEqual([[false, true]]);
    const plan = planOf(text(4, 5));
    expect(plan.best?.machines).toEqual({ thin: 0, wide: 1 });
    expectSound(plan);
    expect(planOf(text(2, 5)).best?.machines).toEqual({ thin: 1, wide: 0 });
  });

  test("takes as many machines as the demands of running batches need, not only slots", () => {
    // 50 requests a second keep 2.5 replicas busy; a thin machine runs one at a time, a wide one four.
    const plan = planOf(text(2, 50));
    expect(plan.best?.cost).toBe(3);
    expectSound(plan);
  });
});

describe("a scheduler that places models", () => {
  const text = (scheduler: string, memoryMb: number, slot: string) => `
name: shared
pipelines:
  a: { slo: { latencyMs: 250, percentile: 95 }, tasks: { a: { model: m } } }
  b: { slo: { latencyMs: 250, percentile: 95 }, tasks: { b: { model: m } } }
  c: { slo: { latencyMs: 250, percentile: 95 }, tasks: { c: { model: m } } }
models: { m: { service: { distribution: deterministic, meanMs: 40 }, memoryMb: 1000 } }
cluster:
  nodes: [{ name: gpu, count: 4, devices: { gpu: { slots: 1, memoryMb: ${memoryMb}, ${slot} } }, costPerHour: 2 }]
  replicas: { a: 1, b: 1, c: 1 }
workload: { arrivals: poisson, ratePerS: 9, requests: 800, warmupS: 5 }
scheduler: ${scheduler}
run: { seed: 1, replications: 3 }
`;
  const SHARED = "sharing: { kind: processor-sharing }";

  test.each(["selective-replication", "clockwork"])(
    "%s has every task on each shared slot, so that one device serves three models",
    (scheduler) => {
      const plan = planOf(text(scheduler, 4000, SHARED));
      expect(plan.best).toMatchObject({ cost: 2, replicas: { a: 1, b: 1, c: 1 } });
      expect(plan.best?.placement?.gpu).toMatchObject({ machinesUsed: 1 });
      expectSound(plan);
    },
  );

  test("has slots apart where slots are not shared", () => {
    expect(planOf(text("selective-replication", 4000, "shared: false")).best?.cost).toBe(6);
  });

  test("is tried beside others, and wins where sharing is cheaper", () => {
    const plan = planOf(text("fifo", 4000, SHARED), { schedulers: ["selective-replication"] });
    expect(plan.best).toMatchObject({ cost: 2, scheduler: "selective-replication" });
  });
});
