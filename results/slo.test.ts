import { describe, expect, test } from "vitest";
import type { Stability } from "../engine/stability/judge-stability.ts";
import { wilson95 } from "../engine/statistics/estimate.ts";
import { attainmentOf, type Goal, goalsOf, goalsShown, type SloRun, sloState } from "./slo.ts";

const P99: Goal = { pipeline: "p", latencyMs: 100, share: 0.99 };

/** One run each, of so many requests. */
function runs(shares: readonly number[], counted = 1000): SloRun[] {
  return shares.map((share) => ({
    counted,
    metrics: { sloAttainmentRatio: share },
    pipelines: {},
  }));
}

function stateOf(shares: readonly number[], counted?: number, stability: Stability = "stable") {
  return sloState([P99], runs(shares, counted), stability);
}

describe("an SLO of 99 %", () => {
  test("is met, missed or unclear as the interval lies above, below or around it", () => {
    // Half width 4.303 × 0.001 / √3 = 0.00248.
    expect(stateOf([0.992, 0.993, 0.994])).toBe("meets");
    expect(stateOf([0.991, 0.992, 0.993])).toBe("unclear");
    expect(stateOf([0.987, 0.988, 0.989])).toBe("unclear");
    expect(stateOf([0.986, 0.987, 0.988])).toBe("misses");
  });

  test("is unclear after one run, whatever its share, and without requests", () => {
    expect(stateOf([1])).toBe("unclear");
    expect(stateOf([0.2])).toBe("unclear");
    expect(sloState([P99], [{ counted: 0, metrics: {}, pipelines: {} }], "stable")).toBe("unclear");
  });

  test("is unclear where the doubt of measured inputs reaches across it", () => {
    const all = runs([0.992, 0.993, 0.994]);
    const under = (change: number) =>
      sloState(
        [P99],
        all,
        "stable",
        all.map(({ metrics, pipelines }, replication) => {
          const sloAttainmentRatio = (metrics.sloAttainmentRatio ?? 0) + change;
          const figures = { metrics: { sloAttainmentRatio }, tasks: {}, pipelines };
          return { replication, logFactors: {}, figures };
        }),
      );
    // √(0.00248² + (3.182 × 0.0005)²) = 0.00295, or with 0.0004 0.00279.
    expect(under(0.0004)).toBe("meets");
    expect(under(-0.0005)).toBe("meets");
    expect(under(-0.001)).toBe("unclear");
  });

  test("is missed where the queue grows on", () => {
    expect(stateOf([1, 1, 1], 10_000, "unstable")).toBe("misses");
  });

  test("takes 381 requests without a late one, as replications that agree have no spread", () => {
    expect(stateOf([1, 1], 190)).toBe("unclear");
    expect(stateOf([1, 1], 191)).toBe("meets");
    expect(stateOf([0.98, 0.98], 190)).toBe("unclear");
    expect(stateOf([0, 0], 190)).toBe("misses");
  });
});

test("Wilson's interval of 1 in 10 is 0.0179 to 0.4042, and never leaves 0 to 1", () => {
  const { low, high } = wilson95(0.1, 10);
  expect(low).toBeCloseTo(0.0179, 4);
  expect(high).toBeCloseTo(0.4042, 4);
  expect(wilson95(1, 100)).toEqual({ low: expect.closeTo(100 / 103.8415, 5), high: 1 });
  expect(wilson95(0, 0)).toEqual({ low: 0, high: 1 });
});

describe("several pipelines", () => {
  const goals: readonly Goal[] = [
    { pipeline: "fast", latencyMs: 50, share: 0.9 },
    { pipeline: "slow", latencyMs: 500, share: 0.99 },
  ];
  const both = (fast: number, slow: number | undefined): SloRun => ({
    counted: 2000,
    metrics: { sloAttainmentRatio: 0.95 },
    pipelines: {
      fast: { requests: 1000, sloAttainmentRatio: fast },
      slow: { requests: 1000, ...(slow === undefined ? {} : { sloAttainmentRatio: slow }) },
    },
  });
  const of = (fast: number, slow: number | undefined) =>
    sloState(goals, Array(5).fill(both(fast, slow)), "stable");

  test("meet when each meets its own SLO, and miss when one misses", () => {
    expect(of(0.95, 0.999)).toBe("meets");
    expect(of(0.95, 0.95)).toBe("misses");
    expect(of(0.8, 0.999)).toBe("misses");
    expect(of(0.9, 0.999)).toBe("unclear");
    expect(of(0.95, undefined)).toBe("unclear");
    expect(attainmentOf(goals[1], [both(0.9, 0.98), both(0.9, 1)]).estimate.mean).toBe(0.99);
  });
});

test("a document shows one SLO where all pipelines share it, else each pipeline's", () => {
  const slo = { latencyMs: 50, percentile: 99 };
  const pipelines = (...slos: (typeof slo | undefined)[]) =>
    ({ pipelines: Object.fromEntries(slos.map((one, i) => [`p${i}`, { slo: one }])) }) as never;
  expect(goalsShown(pipelines(slo, { ...slo }))).toEqual({ slo });
  const other = { latencyMs: 70, percentile: 99 };
  expect(goalsShown(pipelines(slo, other))).toEqual({ slos: { p0: slo, p1: other } });
  expect(goalsShown(pipelines(slo, undefined))).toEqual({ slos: { p0: slo } });
  expect(goalsShown(pipelines(undefined))).toEqual({});
  expect(goalsOf(pipelines(undefined, other))).toEqual([
    { pipeline: "p1", latencyMs: 70, share: 0.99 },
  ]);
});
