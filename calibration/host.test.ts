import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { eventually } from "../cluster/deployment.test-support.ts";
import { NO_STALLS } from "../cluster/time/stall-watch.ts";
import { needs } from "../core/needs.test-support.ts";
import {
  type HostSample,
  hostFitness,
  othersShare,
  probeHost,
  processorTicks,
  sampleHost,
  stealShare,
} from "./host.ts";

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

const sample = (
  busyTicks: number,
  ownTicks: number,
  atMs: number,
  stolenTicks: number | null = 0,
): HostSample => ({ busyTicks, ownTicks, stolenTicks, atMs });

function told(pids: readonly number[]): HostSample {
  const found = sampleHost(pids);
  if (found === null) throw new Error("the host did not tell");
  return found;
}

test("what the watched processes used is not the others'", () => {
  const before = sample(1000, 100, 0);
  expect(othersShare(before, sample(1200, 300, 1000), 0)).toBe(0);
  const half = othersShare(before, sample(1200, 200, 1000), 0);
  expect(half).toBeGreaterThan(0);
  expect(othersShare(before, sample(1200, 200, 1000), 0.5e6)).toBeCloseTo(half / 2, 10);
});

test("time that the hypervisor took is no other program's", () => {
  const stat = "cpu  100 20 30 4000 50 6 7 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
  expect(processorTicks(stat)).toEqual({ busyTicks: 163, stolenTicks: 80 });
  expect(processorTicks("cpu  100 20 30 4000 50 6 7").stolenTicks).toBeNull();
  const [before, after] = [sample(1000, 100, 0, 5), sample(1200, 300, 1000, 8)];
  expect(othersShare(before, after, 0)).toBe(0);
  expect(stealShare(before, after)).toBeCloseTo(0.03 / availableParallelism(), 10);
  expect(stealShare(sample(0, 0, 0, null), after)).toBeNull();
});

test.skipIf(!needs("/proc/stat", existsSync("/proc/stat")))(
  "a busy stranger is seen, a watched one is not",
  async () => {
    const spin = spawn(process.execPath, ["-e", "const e=Date.now()+50000;while(Date.now()<e);"]);
    const pid = spin.pid as number;
    const [strange, watched] = [told([process.pid]), told([process.pid, pid])];
    const usedS = () => told([pid]).ownTicks / 100;
    const beforeS = usedS();
    // However many others it shares the processors with.
    const hasWorked = await eventually(() => usedS() > beforeS + 0.5);
    const [strangeAfter, watchedAfter] = [told([process.pid]), told([process.pid, pid])];
    spin.kill();
    expect(hasWorked).toBe(true);
    const hostS = ((strangeAfter.atMs - strange.atMs) / 1000) * availableParallelism();
    const seenS = othersShare(strange, strangeAfter, 0) * hostS;
    expect(seenS).toBeGreaterThan(0.4);
    expect(othersShare(watched, watchedAfter, 0) * hostS).toBeLessThan(seenS - 0.4);
  },
);

test("a process that is gone gives no sample", () => {
  expect(sampleHost([2 ** 30])).toBeNull();
});
