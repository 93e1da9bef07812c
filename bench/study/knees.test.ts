import { expect, test } from "vitest";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { Sections } from "./claim.ts";
import { kneeOf, kneesOf, playToKnees } from "./knees.ts";

test("the knee is on a straight line between two loads", () => {
  const costs = [3, 3, 3];
  const knee = (...inTime: number[]) => kneeOf([0.2, 0.4, 0.6], inTime, costs).goodput;
  expect(knee(1, 1, 0.8)).toBeCloseTo(0.5 * 0.9, 12);
  expect(knee(1, 0.5, 1), "no load beyond a bad one counts").toBeCloseTo(0.24 * 0.9, 12);
  expect(knee(1, 1, 0.95)).toBeCloseTo(0.6 * 0.95, 12);
  expect(knee(0.89, 1, 1)).toBe(0);
  expect(kneeOf([0.2, 0.4, 0.6], [1, 1, 0.8], costs).cost).toBeCloseTo(3 / 0.45, 12);
});

test("runs end at the first load with too few in time, and the knees are those of all runs", async () => {
  // By arm, load and window.
  const inTime = [
    [
      [0.95, 0.3],
      [0.5, 0.99],
      [0.99, 0.99],
    ],
    [
      [1, 1],
      [0.9, 0.95],
      [0.8, 0.97],
    ],
    [
      [0.1, 0.2],
      [0.99, 0.99],
      [0.99, 0.99],
    ],
  ];
  const shares = inTime.flat(2);
  const points = shares.map((share, at) => ({ share, at }));
  const runs = { of: ["a", "b", "c"], loads: [0.2, 0.4, 0.6], windows: [0, 1] };
  const result = (share: number): ConfigurationResult =>
    ({
      metrics: { sloAttainmentRatio: { mean: share }, costPerHour: { mean: 3 } },
    }) as ConfigurationResult;
  const asked: number[][] = [];
  const play = async (folder: string, { sweep }: Sections) => {
    const due = (sweep as { readonly points: typeof points }).points;
    expect(folder).toBe(`x-load-${asked.length + 1}`);
    asked.push(due.map(({ at }) => at));
    return due.map(({ share }) => result(share));
  };
  const found = await playToKnees("x", { ...runs, document: { sweep: { points } } }, play);
  expect(asked).toEqual([
    [0, 1, 6, 7, 12, 13],
    [2, 8, 9],
    [10, 11],
  ]);
  const all = shares.map(result);
  for (const arm of runs.of.keys())
    expect(kneesOf(runs, found, arm)).toEqual(kneesOf(runs, all, arm));
});
