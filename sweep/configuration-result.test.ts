/** Results of runs with few or no requests that count. */
import { expect, test } from "vitest";
import { replicate, scenarioOf } from "../sim/scenario.test-support.ts";
import { configurationResult } from "./configuration-result.ts";

function resultOf(
  workload: Readonly<Record<string, unknown>>,
  sections: Readonly<Record<string, unknown>> = {},
) {
  const document = scenarioOf({ workload, ...sections });
  const part = { summaries: replicate(document, 5), drawn: [], load: null };
  const configuration = { id: "base", parameters: {}, document };
  return configurationResult(configuration, [part], { metrics: [], replications: 2 });
}

const steady = { arrivals: "deterministic", ratePerS: 50, requests: 6000 };

test("a p99 rests on the requests that count, those of the warm-up are none", () => {
  expect(resultOf(steady).notes).toBeUndefined();
  expect(resultOf({ ...steady, warmupS: 60 }).notes?.join()).toContain("fewer than 5000 requests");
});

test("a run within its warm-up says that nothing was counted, and claims nothing", () => {
  const { notes, metrics } = resultOf({ ...steady, warmupS: 1000 });
  expect(notes).toEqual(["no request in the measured window of a replication: run longer"]);
  expect(metrics.dropRatio).toBeUndefined();
  expect(metrics.queueWaitMeanMs).toBeUndefined();
});

test("an SLO is met, missed or unclear, of each pipeline's own SLO, and absent without one", () => {
  const goals = (a: number, b: number) => ({
    pipelines: {
      a: { slo: { latencyMs: a, percentile: 95 }, share: 0.5, tasks: { x: { model: "server" } } },
      b: { slo: { latencyMs: b, percentile: 95 }, share: 0.5, tasks: { y: { model: "server" } } },
    },
    cluster: { replicas: { x: 1, y: 1 } },
  });
  // M/M/1 at load 0.35: 95 % within 46 ms.
  const of = (sections: Readonly<Record<string, unknown>>) =>
    resultOf({ arrivals: "poisson", ratePerS: 70, requests: 6000 }, sections);
  expect(of(goals(100, 100)).slo).toBe("meets");
  expect(of(goals(100, 20)).slo).toBe("misses");
  expect(of(goals(46, 100)).slo).toBe("unclear");
  expect(of({})).not.toHaveProperty("slo");
  expect(of({}).tasks.serve.replicasMean).toEqual({ mean: 1, halfWidth95: 0 });
});

test("results say where replicas ran, and bill the machines that hosted them alone", () => {
  const nodes = [{ name: "gpu", count: 3, devices: { gpu: 1 }, costPerHour: 2.6 }];
  const { placement, metrics } = resultOf(steady, { cluster: { nodes, replicas: { serve: 1 } } });
  expect(placement).toEqual({
    gpu: { machinesUsed: 1, machines: 3, idleCostPerHour: 5.2, replicas: { serve: 1 } },
  });
  expect(metrics.costPerHour).toEqual({ mean: 2.6, halfWidth95: 0 });
  const perRequest = 2.6 / 3.6 / (metrics.throughputPerS?.mean ?? 0);
  expect(metrics.costPer1000Requests?.mean).toBeCloseTo(perRequest, 7);
});
