import { describe, expect, test } from "vitest";
import { workloadSchema } from "../../scenario/schema/workload.ts";
import { LatencyStore } from "../statistics/latency-store.ts";
import { fewestQueries, type MlperfRun, mlperfRules, mostOver } from "./mlperf.ts";

/** Queries of 1, 2, 3 … ms. */
function run(queries: number, more: Partial<MlperfRun> = {}): MlperfRun {
  const latencies = new LatencyStore();
  for (let i = 1; i <= queries; i++) latencies.add(i * 1000);
  return { queries, unanswered: 0, durationS: 600, latencies, over: 0, ...more };
}

const judged = (arrivals: string, ran: MlperfRun, more: object = {}) =>
  mlperfRules(workloadSchema.parse({ arrivals: `mlperf-${arrivals}`, ...more }), ran);
const server = { ratePerS: 100, latencyBoundMs: 15 };

describe("early stopping", () => {
  test("takes the t-th highest latency for the percentile, higher than the run's own", () => {
    expect(judged("single-stream", run(2048))).toEqual({
      valid: true,
      problems: [],
      earlyStopping: { percentile: 90, estimateMs: 2048 - 172, discarded: 172 },
    });
    expect(judged("multi-stream", run(662))?.earlyStopping).toEqual({
      percentile: 99,
      estimateMs: 662,
      discarded: 0,
    });
  });

  test("says how many queries it needs, and how many more", () => {
    expect(judged("single-stream", run(63))?.problems).toEqual([
      "early stopping needs 64 queries for p90, it had 63",
    ]);
    expect(judged("server", run(300), server)?.problems).toEqual([
      "early stopping: 0 of 300 queries were over 15 ms; it takes 159 more, all within it",
    ]);
    expect(judged("server", run(661, { over: 1 }), server)?.valid).toBe(false);
    expect(judged("server", run(662, { over: 1 }), server)?.valid).toBe(true);
  });
});

test("a run is no run by the rules when it is too short, too small, or not all was answered", () => {
  expect(judged("offline", run(24_576))?.valid).toBe(true);
  expect(judged("offline", run(24_575))?.problems).toEqual(["24575 samples, of at least 24576"]);
  expect(judged("single-stream", run(64, { durationS: 599.9 }))?.problems).toEqual([
    "it took 599.9 s, of at least 600 s",
  ]);
  expect(judged("multi-stream", run(700, { unanswered: 2 }))?.problems).toEqual([
    "2 queries got no result",
  ]);
  expect(judged("server", run(459, { durationS: 4 }), server)?.valid).toBe(true);
  const short = { ...server, minDurationS: 10 };
  expect(judged("server", run(459, { durationS: 4 }), short)?.valid).toBe(false);
});

test("other workloads have no such rules", () => {
  expect(mlperfRules(workloadSchema.parse({ arrivals: "burst", requests: 9 }), run(9))).toBeNull();
});

/** Published LoadGen runs: queries, percentile, highest latencies discarded (one less than t). */
test.each([
  [2048, 0.9, 172],
  [2116, 0.9, 178],
  [1_179_125, 0.99, 11_539],
  [2_091_550, 0.99, 20_579],
])("of %d queries at %d, %d are discarded, as LoadGen has it", (queries, percentile, discarded) => {
  expect(mostOver(queries, percentile) - 1).toBe(discarded);
});

test("64 queries are the least for p90, 662 for p99, and 459 where none may be late", () => {
  expect(fewestQueries(1, 0.9)).toBe(64);
  expect(fewestQueries(1, 0.99)).toBe(662);
  expect(fewestQueries(0, 0.99)).toBe(459);
  expect(mostOver(458, 0.99)).toBe(-1);
});

test("the fewest queries are enough, and one fewer is not", () => {
  for (const over of [0, 3, 17, 200]) {
    const enough = fewestQueries(over, 0.99);
    expect(mostOver(enough, 0.99)).toBeGreaterThanOrEqual(over);
    expect(mostOver(enough - 1, 0.99)).toBeLessThan(over);
  }
});
