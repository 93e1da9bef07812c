import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
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

/** One own process, 1, beside others. */
const sample = (
  busyTicks: number,
  ownTicks: number,
  atMs: number,
  stolenTicks: number | null = 0,
): HostSample => ({
  ...{ busyTicks, stolenTicks, atMs, own: new Set([1]) },
  processes: new Map([[1, { name: "own", parent: 0, ticks: ownTicks }]]),
});

function told(deployment?: string): HostSample {
  const found = sampleHost(deployment);
  if (found === null) throw new Error("the host did not tell");
  return found;
}

test("what own processes used is not the others'", () => {
  const before = sample(1000, 100, 0);
  expect(othersShare(before, sample(1200, 300, 1000))).toBe(0);
  const half = 1 / availableParallelism();
  expect(othersShare(before, sample(1200, 200, 1000))).toBeCloseTo(half, 10);
});

test("a process that has ended counts by its parent, once", () => {
  const processes = (parentTicks: number, childTicks: number | null) =>
    new Map([
      [1, { name: "own", parent: 0, ticks: parentTicks }],
      ...(childTicks === null
        ? []
        : [[2, { name: "child", parent: 1, ticks: childTicks }] as const]),
    ]);
  const before = { ...sample(1000, 0, 0), own: new Set([1, 2]), processes: processes(100, 40) };
  const after = { ...sample(1100, 0, 1000), processes: processes(190, null) };
  // 90 of the parent, of which the child had 40 before.
  expect(othersShare(before, after) * availableParallelism()).toBeCloseTo(0.5, 10);
});

test("time that the hypervisor took is no other program's", () => {
  const stat = "cpu  100 20 30 4000 50 6 7 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
  expect(processorTicks(stat)).toEqual({ busyTicks: 163, stolenTicks: 80 });
  expect(processorTicks("cpu  100 20 30 4000 50 6 7").stolenTicks).toBeNull();
  const [before, after] = [sample(1000, 100, 0, 5), sample(1200, 300, 1000, 8)];
  expect(othersShare(before, after)).toBe(0);
  expect(stealShare(before, after)).toBeCloseTo(0.03 / availableParallelism(), 10);
  expect(stealShare(sample(0, 0, 0, null), after)).toBeNull();
});

describe.skipIf(!needs("/proc/stat", existsSync("/proc/stat")))("on a real host", () => {
  const SPIN = "const e = Date.now() + 50_000; while (Date.now() < e);";
  /** Starts a process that init adopts and that spins, as on a machine that shares this kernel. */
  function stranger(...words: readonly string[]): number {
    const script = `"$0" -e "$1" -- "$2" >/dev/null 2>&1 & echo $!`;
    const given = ["-c", script, process.execPath, SPIN, ...words];
    return Number(spawnSync("sh", given, { encoding: "utf8" }).stdout);
  }

  /** Seconds that others used until the process has worked for 0.5 s, with and without the deployment's. */
  async function othersSeconds(pid: number, deployment: string): Promise<readonly number[]> {
    const [strange, watched] = [told(), told(deployment)];
    const usedS = (): number => (told().processes.get(pid)?.ticks ?? 0) / 100;
    const beforeS = usedS();
    // However many others it shares the processors with.
    expect(await eventually(() => usedS() > beforeS + 0.5)).toBe(true);
    const [strangeAfter, watchedAfter] = [told(), told(deployment)];
    process.kill(pid);
    const hostS = ((strangeAfter.atMs - strange.atMs) / 1000) * availableParallelism();
    return [othersShare(strange, strangeAfter) * hostS, othersShare(watched, watchedAfter) * hostS];
  }

  test("a busy stranger is seen; a process of the deployment is not, wherever it was started", async () => {
    const [seenS, ownS] = await othersSeconds(stranger("--deployment=d-1"), "d-1");
    expect(seenS).toBeGreaterThan(0.4);
    expect(ownS).toBeLessThan(seenS - 0.4);
    expect(told("d-2").own.size).toBeLessThanOrEqual(told().own.size);
  });

  test("processes below this one are its own", () => {
    const child = spawn("sleep", ["10"]);
    expect(told().own.has(child.pid as number)).toBe(true);
    child.kill();
  });
});
