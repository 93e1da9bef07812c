import { expect, test } from "vitest";
import { NO_STALLS } from "../cluster/time/stall-watch.ts";
import { hostFitness, probeHost } from "./host-probe.ts";

const stalls = (count: number, eachMs: number) => ({
  ...NO_STALLS,
  seconds: 6,
  count,
  longestMs: eachMs,
  totalMs: count * eachMs,
  squaredMs2: count * eachMs ** 2,
});

test("each thing that keeps processors from a run is named with its share and limit", () => {
  expect(hostFitness(3, 0.001, 0.05, stalls(2, 15)).reasons).toEqual([]);
  expect(hostFitness(3, 0.031, 0.05, NO_STALLS).reasons).toEqual([
    "the hypervisor took 3.1% of the processors (limit 1.0%)",
  ]);
  expect(hostFitness(3, 0, 0.25, NO_STALLS).reasons).toEqual([
    "other programs used 25% of the host's processors (limit 10%)",
  ]);
  const stalled = hostFitness(3, 0, 0, stalls(12, 15));
  expect(stalled.reasons).toEqual(["stalls of up to 15 ms took 3.0% of the time (limit 1.0%)"]);
  expect(stalled.stalls).toEqual({ longestMs: 15, ratio: 0.03, perS: 2 });
});

test("a system that tells less is fit by what it tells, and says what it does not", () => {
  const { reasons, unknown } = hostFitness(3, null, null, { ...NO_STALLS, knowsWaits: false });
  expect(reasons).toEqual([]);
  expect(unknown).toHaveLength(3);
});

test("a probe of this host finds shares", async () => {
  const { stealRatio, othersRatio, stalls, seconds } = await probeHost({ seconds: 0.2 });
  expect(seconds).toBe(0.2);
  for (const ratio of [stealRatio ?? 0, othersRatio ?? 0, stalls.ratio]) {
    expect(ratio).toBeGreaterThanOrEqual(0);
    expect(ratio).toBeLessThanOrEqual(1.5);
  }
});
