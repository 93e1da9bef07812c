import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../random/stream.ts";
import { selectQuantile } from "../statistics/estimate.ts";
import { Mm1Latencies } from "../statistics/mm1.test-support.ts";
import { LatencySections } from "./latency-sections.ts";
import { InSystemSeries } from "./meters.ts";
import { BatchSeries, batchMeans, mser5, OneRunSeries, oneRunIntervals } from "./one-run.ts";

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

describe("a series of batches", () => {
  test("keeps the mean of what went in, in bounded memory", () => {
    const series = new BatchSeries();
    const count = 1 << 17;
    for (let i = 0; i < count; i++) series.add(i, 10 * i);
    const { size, means, endsUs } = series.batches();
    expect(size).toBe(32);
    expect(means.length * size).toBe(count);
    expect(means.length).toBeLessThan(8192);
    expect(means[0]).toBe((size - 1) / 2);
    expect(endsUs[0]).toBe(10 * (size - 1));
    expect(means.reduce((sum, mean) => sum + mean, 0) / means.length).toBe((count - 1) / 2);
  });
});

describe("batch means", () => {
  test("have the textbook interval where each value is its own batch", () => {
    // Sixteen would do, but these follow each other: 8 values, t = 2.3646, s = 2.4495.
    const found = batchMeans([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(found?.batches).toBe(8);
    expect(found?.halfWidth95).toBeCloseTo((2.3646 * 2.4495) / Math.sqrt(8), 3);
    expect(found?.lag1).toBeCloseTo(0.625, 9);
    expect(found?.independent).toBe(false);
    expect(batchMeans([1, 2, 3])).toBeNull();
  });

  test("are fewer and longer where shorter ones depend on each other", () => {
    const blocks = [3, -2, 5, -4, 1, 0, -3, 2, 4, -1, -5, 6, 2, -6, 0, 1];
    const values = blocks.flatMap((block) => new Array<number>(16).fill(block));
    expect(batchMeans(values)).toMatchObject({ batches: 16, independent: true });
  });
});

describe("requests in the system over time", () => {
  test("are means over equal stretches of the window, and an integral over all of it", () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 400_000 }));
    fc.assert(
      fc.property(
        fc.nat(300_000),
        fc.array(step, { minLength: 1, maxLength: 60 }),
        (startUs, steps) => {
          const series = new InSystemSeries(startUs);
          const stretches: { inSystem: number; from: number; to: number }[] = [];
          let now = 0;
          let changedUs = 0;
          for (const [inSystem, lastsUs] of steps) {
            if (series.count !== inSystem) changedUs = now;
            while (series.count < inSystem) series.arrived(now);
            while (series.count > inSystem) series.ended(now);
            stretches.push({ inSystem, from: now, to: now + lastsUs });
            now += lastsUs;
          }
          const areaOf = (from: number, to: number): number =>
            stretches.reduce(
              (sum, one) =>
                sum + one.inSystem * Math.max(0, Math.min(to, one.to) - Math.max(from, one.from)),
              0,
            );
          expect(series.area).toBe(areaOf(startUs, changedUs));
          series.close(now);
          expect(series.area).toBe(areaOf(startUs, now));
          let edge = startUs;
          for (const mean of series.means()) {
            const to = edge + series.widthUs;
            expect(mean).toBeCloseTo(areaOf(edge, to) / series.widthUs, 6);
            edge = to;
          }
          expect(now - edge).toBeLessThan(series.widthUs);
        },
      ),
    );
  });
});

describe("latencies by section", () => {
  test("have quantiles within the width of a bin, and shares that agree with them", () => {
    const sections = new LatencySections();
    for (let i = 1; i <= 100_000; i++) sections.add(1000 + ((i * 7919) % 100_000));
    for (const share of [0.05, 0.5, 0.9, 0.99]) {
      const quantile = sections.quantileUs(share);
      expect(quantile / (1000 + share * 100_000)).toBeCloseTo(1, 2);
      const shares = sections.sharesBelow(quantile);
      expect(shares.length).toBeGreaterThanOrEqual(32);
      expect(shares.reduce((sum, one) => sum + one, 0) / shares.length).toBeCloseTo(share, 3);
    }
  });
});

test("sections that were joined hold all of their latencies, the shortest and the longest too", () => {
  const sections = new LatencySections();
  for (let i = 0; i < 10_000; i++) sections.add(i % 32 === 0 ? 1000 : i % 32 === 1 ? 4e6 : 50_000);
  const below = (us: number): number[] => [...new Set(sections.sharesBelow(us))];
  expect(below(2000)).toEqual([1 / 32]);
  expect(below(60_000)).toEqual([31 / 32]);
  expect(below(8e6)).toEqual([1]);
  expect(sections.quantileUs(0.99)).toBeGreaterThan(3.9e6);
});

const noise = (name: string, count: number): Float64Array => {
  const block = new Float64Array(count);
  new RandomStream("mser", name).fillNormal(block);
  return block;
};

describe("MSER-5", () => {
  test("cuts a transient off, and little more", () => {
    const values = noise("transient", 4000).map((value, i) => value + 20 * Math.exp(-i / 60));
    const cut = mser5(values);
    // After 150 values the transient is 1.6, after 400 it is 0.03.
    expect(cut?.settled).toBe(true);
    expect(cut?.values).toBeGreaterThan(150);
    expect(cut?.values).toBeLessThan(500);
  });

  test("cuts nearly nothing where there is no transient", () => {
    const cuts = Array.from(
      { length: 20 },
      (_, i) => mser5(noise(`steady ${i}`, 2000))?.values ?? 0,
    );
    expect(cuts.sort((a, b) => a - b)[10]).toBeLessThan(100);
  });

  test("leaves what does not vary alone", () => {
    expect(mser5(new Float64Array(100).fill(7))).toEqual({ values: 0, settled: true });
  });

  test("says when there is no steady state, and when there is too little to say", () => {
    expect(mser5(Float64Array.from({ length: 1000 }, (_, i) => i))?.settled).toBe(false);
    expect(mser5(new Float64Array(49))).toBeNull();
  });

  test("has the minimum of its formula, by hand", () => {
    // Means of five: 9, then 1 and 2 in turn.
    const means = [9, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1];
    const values = means.flatMap((mean) => new Array<number>(5).fill(mean));
    expect(mser5(values)).toEqual({ values: 5, settled: true });
  });
});
