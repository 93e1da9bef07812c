import { expect, test } from "vitest";
import type { Measurement } from "../measure/programs.ts";
import { compare } from "./peers.ts";

test("a ratio is refused where the results differ", () => {
  const run = (meanMs: number): Measurement => ({
    events: 1000,
    seconds: 1,
    cpuSeconds: 2,
    meanMs,
    p50Ms: 7,
    p99Ms: 40,
  });
  const same = compare([10, 10.1, 9.9, 10.2].map((mean) => [run(mean), run(20 - mean)]));
  expect(same).toEqual({ median: 1, least: 1, most: 1 });
  const other = compare([10, 10.1, 9.9, 10.2].map((mean) => [run(mean), run(mean + 2)]));
  expect(other).toMatch(/^no ratio, results differ: meanMs 10.05 against 12.05/);
});
