import { describe, expect, test } from "vitest";
import { RandomStream } from "../engine/random/stream.ts";
import { calibratedProfile } from "../scenario/compile/calibrated-profile.test-support.ts";
import type { ConfigurationResult } from "./documents.ts";
import { type DrawnRun, drawsOf, inputEffects, sharesOf, withInputs } from "./input-effects.ts";

const run = (latencyMeanMs: number, wait = 1) => {
  return { metrics: { latencyMeanMs }, tasks: { t: { wait } }, pipelines: {} };
};
const drawn = (replication: number, latencyMeanMs: number, log = 0.1): DrawnRun => {
  return { replication, logFactors: { a: log }, figures: run(latencyMeanMs) };
};

const RUNS = [run(100), run(104)];
/** Changes 3, −3, 3, −3: of the replication with the same seed. */
const DRAWN = [drawn(0, 103), drawn(0, 97, -0.1), drawn(1, 107), drawn(1, 101, -0.1)];

describe("figures with the doubt of their inputs", () => {
  const simulated: Pick<ConfigurationResult, "metrics" | "tasks"> = {
    metrics: { latencyMeanMs: { mean: 102, halfWidth95: 4 } },
    tasks: { t: { wait: { mean: 1, halfWidth95: 0.1 } } },
  };

  test("have the half widths of both parts, whose squares add up", () => {
    const { metrics } = withInputs(simulated, DRAWN, RUNS);
    // 3 × the 97.5% quantile of Student's t of four draws.
    const inputs = 3 * 2.776445;
    expect(metrics.latencyMeanMs?.parts?.simulation).toBe(4);
    expect(metrics.latencyMeanMs?.parts?.inputs).toBeCloseTo(inputs, 5);
    expect(metrics.latencyMeanMs?.halfWidth95).toBeCloseTo(Math.hypot(4, inputs), 5);
  });

  test("that no draw changes, and figures without draws, stay as they are", () => {
    expect(withInputs(simulated, DRAWN, RUNS).tasks).toEqual(simulated.tasks);
    expect(withInputs(simulated, [], RUNS)).toBe(simulated);
    expect(inputEffects(["latencyMeanMs"], [], RUNS)).toBeUndefined();
  });

  test("keep their changes by draw for comparisons", () => {
    expect(inputEffects(["latencyMeanMs", "latencyP99Ms"], DRAWN, RUNS)).toEqual({
      draws: 4,
      shares: { a: 1 },
      deviations: { latencyMeanMs: [3, -3, 3, -3] },
    });
  });
});

test("shares tell inputs apart that a common pace moves together", () => {
  const normal = new Float64Array(72);
  new RandomStream("input-effects", "shares").fillNormal(normal);
  const logs = Array.from({ length: 24 }, (_, i) => {
    const [pace, a, b] = normal.subarray(3 * i);
    return { small: pace + 0.3 * a, large: pace + 0.3 * b, none: 0 };
  });
  const shares = sharesOf(
    logs,
    logs.map(({ small, large }) => 10 * large + 0.1 * small),
  );
  expect(Object.keys(shares)).toEqual(["large", "small"]);
  expect(shares.large).toBeGreaterThan(0.95);
  expect(sharesOf(logs.slice(0, 2), [1, 2]), "as few draws as inputs").toEqual({});
});

test("draws cost at most three simulations more for each of eight replications", () => {
  const known = { profiles: { a: calibratedProfile([1000, 1010, 990]) } };
  const { rounds: _, ...unknown } = known.profiles.a;
  const drawnUnder = (inputs?: "drawn" | "fixed", profiles = known.profiles) =>
    Array.from({ length: 20 }, (_, i) =>
      drawsOf({ run: { seed: 1, replications: 20, inputs } }, { profiles }, i),
    ).flat();
  expect(drawnUnder()).toEqual(Array.from({ length: 24 }, (_, draw) => draw));
  expect(drawnUnder("drawn")).toHaveLength(24);
  expect(drawnUnder("fixed")).toEqual([]);
  expect(drawnUnder("drawn", { a: unknown })).toEqual([]);
});
