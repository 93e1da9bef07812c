/** Triton's dynamic batcher from end to end, in a run that can be followed by hand. */
import { expect, test } from "vitest";
import { fixedService, runAt } from "../scenario.test-support.ts";

test("two instances share preferred batches, delays and timeouts", () => {
  const { bars, summary } = runAt([0, 1, 2, 3, 4, 5, 6, 7, 30], {
    models: { server: fixedService(10) },
    cluster: { replicas: { serve: 2 } },
    scheduler: {
      preset: "triton",
      batching: { policy: "preferred-sizes", preferred: [3], delayMs: 4 },
      shedding: { policy: "queue-timeout", timeoutMs: 5 },
    },
  });
  expect(bars).toEqual([
    { start: 2, end: 12, replica: "serve-1", requests: "0,1,2" },
    { start: 5, end: 15, replica: "serve-2", requests: "3,4,5" },
    // At 12 ms the sixth has waited 6 ms, and is rejected; the seventh 5 ms, past the delay.
    { start: 12, end: 22, replica: "serve-1", requests: "7" },
    { start: 34, end: 44, replica: "serve-2", requests: "8" },
  ]);
  expect(summary.metrics.dropRatio).toBeCloseTo(1 / 9, 9);
});
