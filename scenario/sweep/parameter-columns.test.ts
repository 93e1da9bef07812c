import { expect, test } from "vitest";
import { parameterKind, parameterKinds } from "./parameter-columns.ts";

test.each([
  ["workload.ratePerS", "load"],
  ["workload", "load"],
  ["cluster.replicas.detect", "replicas"],
  ["cluster.replicas", "replicas"],
  ["cluster.nodes.0.count", "shape"],
  ["scheduler", "scheduler"],
  ["scheduler.preset", "scheduler"],
  ["scheduler.batching", "scheduler"],
  ["scheduler.batching.policy", "scheduler"],
  ["scheduler.batching.maxBatch", "scheduler parameter"],
  ["scheduler.perTask.detect", "scheduler"],
  ["scheduler.perTask.detect.routing", "scheduler"],
  ["scheduler.perTask.detect.batching.maxBatch", "scheduler parameter"],
  ["pipelines.plates.slo.latencyMs", "other"],
  ["run.seed", "other"],
])("the kind of %s is %s", (path, kind) => {
  expect(parameterKind(path)).toBe(kind);
});

test("a document's kinds cover its sweep and the points of its validation", () => {
  const points = [{ scheduler: "edf", "workload.ratePerS": 3 }];
  const validation = { backend: "replay", repeats: 3, timeScale: 1, points, metrics: {} } as const;
  expect(parameterKinds({ sweep: { scheduler: ["fifo", "edf"] }, validation })).toEqual({
    scheduler: "scheduler",
    "workload.ratePerS": "load",
  });
});
