import { expect, test } from "vitest";
import { type ScenarioDocument, scenarioSchema } from "../core/scenario/schema.ts";
import { predict } from "./predict.ts";

const document: ScenarioDocument = scenarioSchema.parse({
  name: "side-by-side",
  pipelines: { p: { tasks: { serve: { model: "m" } } } },
  models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
  cluster: { replicas: { serve: 4 } },
  workload: { arrivals: "burst", requests: 4 },
});

function latencyMs(backend: "replay" | "onnx", contention: number[]): number {
  const overheadProfile = {
    schema: "tandem/overhead@1" as const,
    provenance: {
      ...{ kind: "measured" as const, model: "no-op", modelFiles: [], device: "cpu" },
      ...{ host: "h", runtime: "r", date: "d" },
    },
    ...{ clientRoundTripUs: [0], workerRoundTripUs: [0], contention },
    gateway: { arrivalUs: 0, dispatchUs: 0, completionUs: 0 },
  };
  const inputs = { profiles: {}, traces: {}, overheadProfile };
  const plan = { document, inputs, backend, timeScale: 1 };
  return predict(plan, 0).summary.metrics.latencyMeanMs ?? Number.NaN;
}

test("replicas that replay their times only wait: none slows another down", () => {
  expect(latencyMs("replay", [1])).toBeCloseTo(10, 9);
  expect(latencyMs("onnx", [1])).toBeCloseTo(40, 9);
  expect(latencyMs("onnx", [1, 1, 1, 1])).toBeCloseTo(10, 9);
});
