import { expect, test } from "vitest";
import { type JudgedBy, type JudgedRun, judge } from "./judge.ts";

const BY: JudgedBy = {
  tolerance: { latencyMeanMs: 0.05 },
  unfit: null,
  runSeconds: 60,
  warmupS: 10,
};

/** Runs of these mean latencies, ms; what was predicted of each is `error` more, and `noise` besides. */
function runs(error: number, noise = 0, measured = [100, 140, 90, 120]): JudgedRun[] {
  return measured.map((latencyMeanMs, i) => ({
    predicted: { latencyMeanMs: latencyMeanMs * (1 + error + (i % 2 === 0 ? noise : -noise)) },
    measured: { latencyMeanMs },
  }));
}

test("an error is the prediction's, as a share of what was measured", () => {
  const { error, verdict, judgements } = judge(runs(0.04), BY);
  expect(error.latencyMeanMs).toBeCloseTo(0.04, 12);
  expect(judgements.latencyMeanMs?.interval90?.high).toBeCloseTo(0.04, 6);
  expect(judgements.latencyMeanMs?.reason).toBeUndefined();
  expect(verdict).toBe("agrees");
});

test("too low is as wrong as too high", () => {
  for (const error of [-0.06, 0.06]) expect(judge(runs(error), BY).verdict).toBe("disagrees");
});

test("an error whose interval crosses the edge cannot be told, and says what would settle it", () => {
  const { verdict, judgements } = judge(runs(0.03, 0.03), BY);
  expect(verdict).toBe("cannot tell");
  const { interval90, reason, settledBy } = judgements.latencyMeanMs ?? {};
  expect(interval90?.low).toBeLessThan(0.05);
  expect(interval90?.high).toBeGreaterThan(0.05);
  expect(reason).toMatch(
    /^the error may be [+−][\d.]+% to \+[\d.]+%, across the tolerance of ±5%$/,
  );
  // With 4 pairs t is 2.35 + 1.64; the runs' errors deviate by about 3.5%, and 2% are left.
  expect(settledBy?.runs).toBeGreaterThan(15);
  expect(settledBy?.runs).toBeLessThan(45);
  expect(settledBy?.secondsPerRun).toBeGreaterThan(10 + 3 * 50);
  expect((settledBy?.secondsPerRun ?? 0) % 50).toBe(0);
});

test("nothing feasible settles an error on the edge; nor are seconds for a workload without any", () => {
  const edge = judge(runs(0.0499, 0.03), BY).judgements.latencyMeanMs?.settledBy;
  expect(edge).toEqual({ runs: null, secondsPerRun: null });
  const burst = judge(runs(0.03, 0.03), { ...BY, runSeconds: 0, warmupS: 0 });
  expect(burst.judgements.latencyMeanMs?.settledBy?.runs).toBeGreaterThan(15);
  expect(burst.judgements.latencyMeanMs?.settledBy?.secondsPerRun).toBeNull();
});

test("runs that were not fit to be judged by tell nothing, even if the figures agree", () => {
  const unfit = "only 1 of 4 runs was fit";
  for (const error of [0, 0.5]) {
    const { verdict, judgements } = judge(runs(error), { ...BY, unfit });
    expect(verdict).toBe("cannot tell");
    expect(judgements.latencyMeanMs?.reason).toBe(unfit);
    expect(judgements.latencyMeanMs?.settledBy).toBeUndefined();
  }
});

test("one run has no spread to judge by", () => {
  const { verdict, judgements, error } = judge(runs(0, 0, [100]), BY);
  expect(verdict).toBe("cannot tell");
  expect(error.latencyMeanMs).toBe(0);
  expect(judgements.latencyMeanMs).toEqual({
    verdict,
    interval90: null,
    reason: "one run has no spread to judge by",
  });
});

test("a judged metric that was not measured in every run is no agreement, nor is none at all", () => {
  const [first, ...rest] = runs(0);
  const { verdict, error, judgements } = judge([{ ...first, measured: {} }, ...rest], BY);
  expect(verdict).toBe("cannot tell");
  expect(error.latencyMeanMs).toBeUndefined();
  expect(judgements.latencyMeanMs?.reason).toBe("it was not measured in every run");
  expect(judge(runs(0), { ...BY, tolerance: {} }).verdict).toBe("cannot tell");
});

test("a metric that is 0 in reality agrees with a prediction of 0 only", () => {
  const dropped = (predicted: number): JudgedRun[] =>
    [1, 2, 3].map(() => ({ predicted: { dropRatio: predicted }, measured: { dropRatio: 0 } }));
  const by = { ...BY, tolerance: { dropRatio: 0.1 } };
  expect(judge(dropped(0), by).verdict).toBe("agrees");
  expect(judge(dropped(0.2), by).verdict).toBe("cannot tell");
});

test("one metric that disagrees outweighs those that agree or cannot be told", () => {
  const both = runs(0).map(({ predicted, measured }, i) => ({
    predicted: { ...predicted, latencyP95Ms: 200, latencyP99Ms: 300 + 90 * (i % 3) },
    measured: { ...measured, latencyP95Ms: 100, latencyP99Ms: 300 },
  }));
  const tolerance = { latencyMeanMs: 0.05, latencyP95Ms: 0.05, latencyP99Ms: 0.1 };
  const all = judge(both, { ...BY, tolerance });
  expect(Object.values(all.judgements).map(({ verdict }) => verdict)).toEqual([
    ...["agrees", "disagrees", "cannot tell"],
  ]);
  expect(all.verdict).toBe("disagrees");
  const { latencyP95Ms: _, ...without } = tolerance;
  expect(judge(both, { ...BY, tolerance: without }).verdict).toBe("cannot tell");
});
