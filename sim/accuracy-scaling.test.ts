/** Accuracy scaling against fixed variants, on four devices that can each host either variant. */
import { describe, expect, test } from "vitest";
import "../checks/support/solver.test-support.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { solverInUse, useSolver } from "../schedulers/rules/solver.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const batch = { marginal: 0.5 };

function scenario(scheduler: unknown, ratePerS: number, sections: object = {}) {
  return scenarioOf({
    pipelines: {
      p: { slo: { latencyMs: 400 }, tasks: { detect: { variants: ["small", "large"] } } },
    },
    models: {
      small: { service: { distribution: "deterministic", meanMs: 10, batch }, accuracy: 0.8 },
      large: { service: { distribution: "deterministic", meanMs: 50, batch }, accuracy: 0.95 },
    },
    cluster: {
      nodes: [
        { name: "gpu", count: 4, costPerHour: 1, devices: { gpu: { slots: 1, shared: true } } },
      ],
      replicas: { "detect@small": 4, "detect@large": 4 },
      provisioning: { delayS: 0.2 },
    },
    workload: { arrivals: "poisson", ratePerS, durationS: 60, warmupS: 20 },
    scheduler,
    ...sections,
  });
}

const metricsOf = (scheduler: unknown, ratePerS: number, sections: object = {}) =>
  runReplication(scenario(scheduler, ratePerS, sections), NO_INPUTS, 0).summary.metrics;

/** All devices host one variant, with the same batches. */
const fixed = (variant: string, ratePerS: number) =>
  metricsOf({ preset: "proteus", controller: "none" }, ratePerS, {
    cluster: { replicas: { [`detect@${variant}`]: 4 } },
  });

const PROTEUS = { preset: "proteus", controller: { policy: "proteus", epochS: 5, solveMs: 500 } };
const LOKI = { preset: "loki", controller: { policy: "loki", epochS: 5 } };

describe("beside fixed variants", () => {
  test("a light load gets the accuracy of the large one", () => {
    for (const scheduler of [PROTEUS, LOKI]) {
      const { accuracyMean = 0, sloAttainmentRatio = 0 } = metricsOf(scheduler, 40);
      expect(accuracyMean).toBeGreaterThan(0.94);
      expect(sloAttainmentRatio).toBeGreaterThan(0.98);
    }
  });

  test("a heavy load keeps its goal, which the large one alone does not, more accurately than the small one", () => {
    const ratePerS = 250;
    expect(fixed("large", ratePerS).sloAttainmentRatio).toBeLessThan(0.6);
    expect(fixed("small", ratePerS).accuracyMean).toBeCloseTo(0.8, 9);
    for (const scheduler of [PROTEUS, LOKI]) {
      const { accuracyMean = 0, sloAttainmentRatio = 0 } = metricsOf(scheduler, ratePerS);
      expect(sloAttainmentRatio).toBeGreaterThan(0.95);
      expect(accuracyMean).toBeGreaterThan(0.81);
    }
  });

  test("Loki pays for the devices that a light load needs, Proteus for all", () => {
    expect(metricsOf(PROTEUS, 40).costPerHour).toBeCloseTo(4, 1);
    expect(metricsOf(LOKI, 40).costPerHour).toBeLessThan(3);
  });
});

test("models that demand resources are on only where their node has them at once", () => {
  const service = (meanMs: number) => ({ distribution: "deterministic", meanMs, batch });
  const sections = {
    models: {
      small: { service: service(10), accuracy: 0.8, demand: { cpu: 1 } },
      large: { service: service(50), accuracy: 0.95, demand: { cpu: 3 } },
    },
    cluster: {
      nodes: [{ name: "gpu", devices: { gpu: { slots: 4, shared: true } }, resources: { cpu: 6 } }],
      replicas: { "detect@small": 4, "detect@large": 4 },
    },
  };
  // Two large ones at once serve 70 of 100 requests per s; one with a small one serves all.
  for (const scheduler of [PROTEUS, LOKI]) {
    const { accuracyMean = 0, sloAttainmentRatio = 0 } = metricsOf(scheduler, 100, sections);
    expect(sloAttainmentRatio).toBeGreaterThan(0.97);
    expect(accuracyMean).toBeGreaterThan(0.82);
  }
});

test("no slot ever has two replicas on, and the log of the run replays", () => {
  const document = scenario(PROTEUS, 150, {
    workload: {
      arrivals: "poisson",
      ratePerS: 150,
      durationS: 30,
    },
  });
  const log = new RunLog();
  runReplication(document, NO_INPUTS, 0, { log });
  expect(log.entries.filter(([kind]) => kind === "order").length).toBeGreaterThan(0);
  const system = compileSystem(document, NO_INPUTS);
  const on = new Set(system.replicas.keys());
  const bySlot = (): number =>
    Math.max(
      ...system.devices.map(
        (_, slot) => [...on].filter((replica) => system.replicas[replica].slot === slot).length,
      ),
    );
  for (const [kind, replica] of log.entries) {
    if (kind === "release") on.delete(replica);
    if (kind === "order") {
      on.add(replica);
      expect(bySlot()).toBe(1);
    }
  }
  const scheduler = createScheduler(document.scheduler, system, replicationSeed(1, 0));
  const solving = solverInUse();
  // Its solutions are in the log: a replay solves nothing.
  useSolver({ ...solving, withModel: () => expect.fail("a replay asked the solver") });
  expect(replayLog(system, scheduler, log).divergence).toBeNull();
  useSolver(solving);
});

test("a plan that takes longer than its epoch comes all the same, and no other is asked meanwhile", () => {
  const slow = { preset: "proteus", controller: { policy: "proteus", epochS: 2, solveMs: 5000 } };
  const log = new RunLog();
  runReplication(scenario(slow, 150), NO_INPUTS, 0, { log });
  const ofKind = (kind: string) => log.entries.filter((entry) => entry[0] === kind);
  const asked = ofKind("ask").map(([, , , atUs]) => atUs as number);
  const solved = ofKind("solved").map(([, , nowUs]) => nowUs as number);
  // At the begin, after the first second, then at the first epoch after each answer.
  expect(asked.slice(0, 4)).toEqual([0, 6e6, 12e6, 18e6]);
  expect(solved).toEqual(asked.slice(0, solved.length));
});

describe("INFaaS", () => {
  const orders = (document: ReturnType<typeof scenario>) => {
    const log = new RunLog();
    const { summary } = runReplication(document, NO_INPUTS, 0, { log });
    const system = compileSystem(document, NO_INPUTS);
    const ordered = log.entries
      .filter(([kind]) => kind === "order")
      .map(([, replica]) => system.pools[system.replicas[replica].pool].model);
    return { ordered, metrics: summary.metrics };
  };
  const rising = { arrivals: "poisson", ratePerS: 250, durationS: 30, warmupS: 10 };

  test("adds replicas of a variant that is short of throughput", () => {
    const { ordered, metrics } = orders(scenario("infaas", 250, { workload: rising }));
    expect(ordered).toContain("large");
    expect(metrics.accuracyMean).toBeGreaterThan(0.85);
    expect(metrics.sloAttainmentRatio).toBeGreaterThan(0.9);
  });

  test("upgrades to the fastest variant where the other takes much longer to load", () => {
    const models = {
      small: { service: { distribution: "deterministic", meanMs: 10, batch }, accuracy: 0.8 },
      large: {
        service: { distribution: "deterministic", meanMs: 50, batch },
        accuracy: 0.95,
        loadMs: 5000,
      },
    };
    const { ordered } = orders(scenario("infaas", 250, { workload: rising, models }));
    expect(ordered).toContain("small");
    expect(ordered).not.toContain("large");
  });

  test("releases a replica only after ten calm checks", () => {
    const workload = { arrivals: "trace", file: "times.csv", column: "t" };
    const document = scenario("infaas", 1, { workload });
    const busy = Array.from({ length: 1250 }, (_, i) => i * 4000);
    const calm = Array.from({ length: 30 }, (_, i) => 5_000_000 + i * 1e6);
    const log = new RunLog();
    runReplication(document, { ...NO_INPUTS, traces: { "times.csv": [...busy, ...calm] } }, 0, {
      log,
    });
    const ordered = log.entries.filter(([kind]) => kind === "order");
    const released = log.entries.filter(([kind, , nowUs]) => kind === "release" && nowUs > 0);
    expect(ordered.length).toBeGreaterThan(0);
    expect(released.length).toBeGreaterThan(0);
    const { replicas } = compileSystem(document, NO_INPUTS);
    for (const [, replica, atUs] of released) {
      const last = ordered
        .filter(([, other, us]) => replicas[other].pool === replicas[replica].pool && us <= atUs)
        .at(-1);
      expect(atUs - (last?.[2] ?? 0)).toBeGreaterThanOrEqual(9e6);
    }
  });
});
