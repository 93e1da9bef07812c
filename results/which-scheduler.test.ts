import { describe, expect, test } from "vitest";
import { compileSystem } from "../scenario/compile/compile.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { caseOf, factorsOf, fittedTo } from "./which-scheduler.ts";

const service = (marginal: number) => ({
  distribution: "deterministic",
  meanMs: 10,
  batch: { marginal, max: 16 },
});

/** One pipeline of tasks `a` and `b`, each on a device of its own, whose sections may be others. */
const made = (sections: object = {}, slo: object = { slo: { latencyMs: 200 } }): ScenarioDocument =>
  scenarioSchema.parse({
    name: "made",
    pipelines: { p: { ...slo, tasks: { a: { model: "a" }, b: { model: "b", after: ["a"] } } } },
    models: { a: { service: service(1) }, b: { service: service(1) } },
    cluster: { replicas: { a: 1, b: 1 } },
    workload: { arrivals: "poisson", ratePerS: 10, requests: 100 },
    ...sections,
  });

const found = (document: ScenarioDocument, traceUs?: readonly number[]) =>
  factorsOf(compileSystem(document, { profiles: {} }), document.workload, traceUs);

const USUAL = {
  batching: "single",
  tasks: "chain",
  devices: "own",
  goal: "loose",
  arrivals: "steady",
};
const SHARED = {
  nodes: [{ name: "n", devices: { gpu: { slots: 1, shared: true } } }],
  replicas: { a: 1, b: 1 },
};
const ONE = {
  pipelines: {
    p: { slo: { latencyMs: 100 }, tasks: { a: { model: "a" } } },
    q: { slo: { latencyMs: 100 }, tasks: { b: { model: "b" } } },
  },
};

describe("each factor changes with its own part of the scenario", () => {
  test.each([
    ["nothing", made(), {}],
    [
      "batches",
      made({ models: { a: { service: service(0.3) }, b: { service: service(0.3) } } }),
      { batching: "batches" },
    ],
    ["pipelines of one task", made(ONE), { tasks: "one" }],
    ["a device for both", made({ cluster: SHARED }), { devices: "shared" }],
    ["a short SLO", made({}, { slo: { latencyMs: 100 } }), { goal: "tight" }],
    [
      "gaps that vary",
      made({ workload: { arrivals: "gamma", cv: 4, ratePerS: 1, requests: 9 } }),
      { arrivals: "bursty" },
    ],
    ["all at once", made({ workload: { arrivals: "burst", requests: 9 } }), { arrivals: "bursty" }],
    ["clients that wait", made({ workload: { arrivals: "closed", clients: 2, requests: 9 } }), {}],
  ])("%s", (_, document, change) => {
    const factors = found(document);
    expect(caseOf(factors)).toEqual({ ...USUAL, ...change });
    for (const { reason } of Object.values(factors))
      expect(reason).not.toMatch(/NaN|Infinity|undef/);
  });

  test("a shared device that loads no model is said to be unlike the study's", () => {
    const on = (model: object) => {
      const models = { a: { service: service(1), ...model }, b: { service: service(1) } };
      return found(made({ cluster: SHARED, models })).devices.reason;
    };
    const loaded = { residency: "on-demand", loadMs: 45, memoryMb: 1 };
    expect(on(loaded)).toBe("a and b stand on one device");
    for (const model of [{}, { ...loaded, loadMs: 0 }, { ...loaded, residency: "always" }]) {
      expect(on(model)).toMatch(/^a and b stand on one device; .*fifo loses less here$/);
    }
  });

  test("a branch counts that more requests take than may be late", () => {
    const branch = (probability: number, percentile: number) =>
      made({
        pipelines: {
          p: {
            slo: { latencyMs: 60, percentile },
            tasks: {
              a: { model: "a" },
              b: { model: "b", after: ["a"], when: { probability } },
              c: { model: "b", after: ["b"] },
            },
          },
        },
        cluster: { replicas: { a: 1, b: 1, c: 1 } },
      });
    const reason = (...of: [number, number]) => found(branch(...of)).goal.reason;
    expect(reason(0.4, 95)).toContain("2.0 times the latency of a request alone");
    expect(reason(0.11, 90)).toContain("2.0 times");
    expect(reason(0.1, 90)).toContain("6.0 times");
  });

  test("a trace is judged by its gaps", () => {
    const document = made({
      workload: { arrivals: "trace", file: "x.csv", column: "t", requests: 9 },
    });
    const even = Array.from({ length: 100 }, (_, i) => i * 1000);
    expect(found(document, even).arrivals.level).toBe("steady");
    expect(
      found(
        document,
        even.map((us) => us ** 4),
      ).arrivals.level,
    ).toBe("steady");
    const bursts = even.map((_, i) => Math.floor(i / 20) * 1e6 + i);
    expect(found(document, bursts).arrivals.level).toBe("bursty");
  });
});

test("times that a search found grow with the SLO, and nothing else does", () => {
  const scheduler = {
    preset: "triton",
    batching: { policy: "preferred-sizes", preferred: [4, 8], maxBatch: 8, delayMs: 3 },
    controller: { policy: "nexus", epochS: 10, ratePerS: 7 },
  };
  expect(fittedTo(1000, { scheduler, sloMs: 150 })).toEqual({
    ...scheduler,
    batching: { ...scheduler.batching, delayMs: 20 },
    controller: { ...scheduler.controller, epochS: 66.7 },
  });
  expect(fittedTo(1000, { scheduler })).toBe(scheduler);
});
