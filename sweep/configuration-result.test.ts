/** What results say of runs with few or no requests that count. */
import { expect, test } from "vitest";
import { replicate, scenarioOf } from "../sim/scenario.test-support.ts";
import { configurationResult } from "./configuration-result.ts";

function resultOf(workload: Readonly<Record<string, unknown>>, sections: object = {}) {
  const document = scenarioOf({ workload, ...sections });
  const part = { summaries: replicate(document, 2), gantt: [], load: null };
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

test("results say where replicas ran, and bill the machines that hosted them alone", () => {
  const nodes = [{ name: "gpu", count: 3, devices: { gpu: 1 }, costPerHour: 2.6 }];
  const { placement, metrics } = resultOf(steady, { cluster: { nodes, replicas: { serve: 1 } } });
  expect(placement).toEqual({
    gpu: { machinesUsed: 1, machines: 3, idleCostPerHour: 5.2, replicas: { serve: 1 } },
  });
  expect(metrics.costPerHour).toEqual({ mean: 2.6, halfWidth95: 0 });
  const perRequest = 2.6 / 3.6 / (metrics.throughputPerS?.mean ?? 0);
  expect(metrics.costPer1000Requests?.mean).toBeCloseTo(perRequest, 9);
});
