/** The shipped scenarios of shared devices, memory, power, links, zones and gateways. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { expandSweep } from "../scenario/expand-sweep.test-support.ts";
import { parseScenario } from "../scenario/parse.ts";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, replicate, zScore } from "./scenario.test-support.ts";

function configurations(name: string) {
  const file = join(import.meta.dirname, "../scenarios", name);
  return expandSweep(parseScenario(readFileSync(file, "utf8"), file, () => "")).map(
    ({ document }) => document,
  );
}

test("two models on one GPU: evicting costs both loads for every picture, and no energy", () => {
  const runs = configurations("shared-gpu.yaml").map(
    (document) => runReplication(document, NO_INPUTS, 0).summary,
  );
  expect(runs.map(({ metrics }) => Number(metrics.latencyMeanMs?.toFixed(6)))).toEqual([
    240.2, 2340.2, 2340.2,
  ]);
  expect(runs.map(({ tasks }) => tasks.detect.coldStarts > 0)).toEqual([false, true, true]);
  for (const { metrics } of runs) expect(metrics.energyJoulesPerRequest).toBeCloseTo(697.6, 0);
});

if (IS_LONG) {
  test("edge or cloud: each is the sum of its stations' closed forms", () => {
    for (const document of configurations("edge-or-cloud.yaml")) {
      const { workload, cluster } = document;
      if (workload.arrivals !== "poisson") throw new Error("the scenario has Poisson arrivals");
      const perMs = workload.ratePerS / 1000;
      const shared = (ms: number): number => ms / (1 - perMs * ms);
      const atEdge = cluster.placement?.[0]?.node === "edge";
      // M/D/1: a load of rate/2 x 2 ms at each of the two gateways.
      const gateway = 2 + (perMs * 2) / (2 * (1 - perMs));
      // Bytes take their time on the way even to a node beside the gateways: 0.02 µs.
      const expected = gateway + (atEdge ? shared(12 / 0.4) : shared(20) + 60 + 12);
      const means = replicate(document, 10).map(({ metrics }) => metrics.latencyMeanMs ?? 0);
      const place = `${cluster.placement?.[0]?.node} at ${workload.ratePerS}/s`;
      expect(Math.abs(zScore(means, expected)), place).toBeLessThan(3);
    }
  });
}
