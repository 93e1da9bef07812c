import { describe, expect, test } from "vitest";
import { selectQuantile } from "../statistics/estimate.ts";
import { Mm1Latencies } from "../statistics/mm1.test-support.ts";
import { OneRunSeries, oneRunIntervals } from "./one-run.ts";

describe("a run that stands alone", () => {
  test("has no interval of a p99 that too few of its requests lie above", () => {
    const queue = new Mm1Latencies("short");
    const series = new OneRunSeries();
    const latencies = Float64Array.from({ length: 600 }, () => queue.nextUs());
    for (const us of latencies) series.add(us, 0);
    const figures = {
      latencyMeanMs: latencies.reduce((sum, us) => sum + us, 0) / 600_000,
      latencyP99Ms: selectQuantile(latencies, 0.99) / 1000,
    };
    const { halfWidths } = oneRunIntervals(series, new Float64Array(0), figures);
    expect(halfWidths.latencyMeanMs).toBeGreaterThan(0);
    expect(halfWidths.latencyP99Ms).toBeUndefined();
  });

  test("says when its batches still depend on each other", () => {
    const series = new OneRunSeries();
    for (let i = 1; i <= 10_000; i++) series.add(i, i);
    const { notes } = oneRunIntervals(series, new Float64Array(0), {});
    expect(notes[0]).toMatch(/batch means depend on each other \(lag-1 autocorrelation 0\.\d\d\)/);
  });
});
