import { expect, test } from "vitest";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { overheadProfileSchema } from "../scenario/schema/profile.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { withMessageCosts } from "./message-costs.ts";
import { predict } from "./predict.ts";

test("a pilot on replayed times gives predictions what messages cost here", async () => {
  const one = scenarioSchema.parse({
    name: "s",
    pipelines: { p: { tasks: { a: { model: "m" }, b: { model: "m", after: ["a"] } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 2 } } },
    cluster: { replicas: { a: 1, b: 1 } },
    workload: { arrivals: "poisson", ratePerS: 20, durationS: 20 },
  });
  const larger = { ...one, cluster: { ...one.cluster, replicas: { a: 3, b: 2 } } };
  const given = { profiles: {}, traces: {} };
  const { inputs, note } = await withMessageCosts({
    document: larger,
    inputs: given,
    timeScale: 1,
    date: "2025-01-01",
    contents: () => [payloadRequest(new Uint8Array(64))],
  });
  expect(note).toMatch(/a pilot of the pipeline on replayed times measured/);
  const profile = overheadProfileSchema.parse(inputs.overheadProfile);
  expect(profile.contention).toEqual([1, 1, 1, 1, 1]);
  expect(profile.rounds).toHaveLength(6);
  const plan = { document: one, backend: "replay", timeScale: 1 } as const;
  const latencyMs = (own: typeof inputs): number =>
    predict({ ...plan, inputs: own }, 0).summary.metrics.latencyMeanMs ?? 0;
  // A request passes the client's way once, the workers' twice.
  const mean = (us: readonly number[]): number => us.reduce((sum, one) => sum + one, 0) / us.length;
  const wayMs = (mean(profile.clientRoundTripUs) + 2 * mean(profile.workerRoundTripUs)) / 1000;
  expect(wayMs).toBeGreaterThan(0.05);
  expect(latencyMs(inputs) - latencyMs(given)).toBeGreaterThan(0.8 * wayMs);
});
