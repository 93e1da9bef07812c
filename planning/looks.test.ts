/** Whether simulations rule a cluster out, over runs whose shares are drawn. */
import { expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { scenarioOf } from "../sim/scenario.test-support.ts";
import { isBornOut, looksAt } from "./looks.ts";
import type { Laboratory, Trial } from "./trial.ts";

const GOAL = { pipeline: "p", latencyMs: 100, share: 0.95 };
const SEEDS = 1000;
const DEVIATION = 0.01;

const document = scenarioOf({
  pipelines: { p: { slo: { latencyMs: 100, percentile: 95 }, tasks: { serve: { model: "m" } } } },
  models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
});

/** Runs after which a cluster of this share was ruled out, or Infinity; `seen` of them were there before. */
function ruledOutAfter(share: number, error: number, seed: number, seen: number): number {
  const draws = new RandomStream(String(seed), "shares");
  // The sum of twelve uniform draws less six is close to a normal draw.
  const normal = (): number =>
    Array.from({ length: 12 }, () => draws.uniform()).reduce((a, b) => a + b) - 6;
  const trial: Trial = { document, goals: [GOAL], runs: [], drawn: [] };
  const laboratory = {
    spent: 0,
    *start() {
      yield;
      return trial;
    },
    *extend({ runs }: Trial, count: number) {
      while (runs.length < count) {
        const sloAttainmentRatio = share + DEVIATION * normal();
        const run = { counted: 1e6, metrics: { sloAttainmentRatio }, pipelines: {} };
        runs.push(run as unknown as Trial["runs"][number]);
        yield;
      }
    },
  } as unknown as Laboratory;
  finished(laboratory.extend(trial, seen));
  const look = { document, trial, keeps: false, error };
  const isOut = finished(isBornOut({ laboratory, goals: [GOAL] }, look, 1));
  return isOut ? trial.runs.length : Number.POSITIVE_INFINITY;
}

const seeds = Array.from({ length: SEEDS }, (_, seed) => seed);

test("a cluster that keeps its SLO exactly is ruled out no more often than the error, over all lengths", () => {
  const error = 0.2;
  const wrong = seeds.filter((seed) => ruledOutAfter(0.95, error, seed, 1) < Infinity).length;
  expect(wrong).toBeLessThanOrEqual(error * SEEDS);
  expect(wrong).toBeGreaterThan(0);
});

test("a miss is ruled out after a few fixed lengths, whatever its runs show and however many were seen", () => {
  const lengths = (seen: number) =>
    [...new Set(seeds.map((seed) => ruledOutAfter(0.945, 0.2, seed, seen)))].sort((a, b) => a - b);
  expect(lengths(1)).toEqual([4, 6, 9, 14, 21, 32, 40, Infinity].slice(0, lengths(1).length));
  expect(lengths(1).length).toBeGreaterThan(5);
  expect(lengths(5)).toEqual(lengths(1).slice(1));
});

test("windows that count few requests are looked at more often, but not those that never count any", () => {
  const of = (counted: number) => looksAt({ runs: [{ counted }] as unknown as Trial["runs"] });
  expect([1000, 100, 1, 0].map(of)).toEqual([6, 30, 40, 6]);
});
