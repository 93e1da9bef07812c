import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { eventually } from "../cluster/deployment.test-support.ts";
import { NO_STALLS } from "../cluster/time/stall-watch.ts";
import {
  type HostLoad,
  type HostSample,
  hinderedShare,
  hostFitness,
  loadMeter,
  probeHost,
  processorTicks,
  sampleHost,
  sharesBetween,
  stealShare,
} from "./host.ts";
import { NO_RUN, type RunHere } from "./own-processes.ts";

const stalls = (count: number, eachMs: number) => ({
  ...NO_STALLS,
  seconds: 6,
  count,
  longestMs: eachMs,
  totalMs: count * eachMs,
  squaredMs2: count * eachMs ** 2,
});

const load = (othersRatio: number, hinderedRatio: number, stealRatio = 0): HostLoad => ({
  othersRatio,
  hinderedRatio,
  stealRatio,
});

test("each thing that keeps processors from a run is named with its share and limit", () => {
  expect(hostFitness(load(0.05, 0.02, 0.001), stalls(2, 15)).reasons).toEqual([]);
  expect(hostFitness(load(0.05, 0.02, 0.031), NO_STALLS).reasons).toEqual([
    "the hypervisor took 3.1% of the processors (limit 1.0%)",
  ]);
  expect(hostFitness(load(0.25, 0.21), NO_STALLS).reasons).toEqual([
    "other programs used 25% of the host's processors, and left a run without a free one for 21% of the time (limit 3.0%)",
  ]);
  const stalled = hostFitness(load(0, 0), stalls(12, 15));
  expect(stalled.reasons).toEqual(["stalls of up to 15 ms took 3.0% of the time (limit 1.0%)"]);
  expect(stalled.longestStallMs).toBe(15);
});

test("others hinder a run as they fill the processors that it leaves", () => {
  // Both of two are taken with chance 0.4², by the run alone with 0.3².
  expect(hinderedShare(0.3, 0.1, 2)).toBeCloseTo(0.07, 10);
  expect(hinderedShare(0.3, 0.1, 1)).toBeCloseTo(0.1, 10);
  expect(hinderedShare(0.3, 0.1, 16)).toBeLessThan(1e-6);
  expect(hinderedShare(0.9, 0.2, 2)).toBeCloseTo(1 - 0.81, 10);
  // Daemons of an idle machine, beside a run that takes much of it; and a helper's work of a fifth of a processor.
  const isFit = (own: number, others: number): boolean => {
    const hindered = hinderedShare(own, others, 2);
    return hostFitness(load(others, hindered), NO_STALLS).reasons.length === 0;
  };
  expect([isFit(0.2, 0.02), isFit(0.6, 0.02), isFit(0.6, 0.01)]).toEqual([true, true, true]);
  expect([isFit(0.2, 0.1), isFit(0.3, 0.1), isFit(0.5, 0.05)]).toEqual([false, false, false]);
});

test("a system that tells less is fit by what it tells, and says what it does not", () => {
  const silent = { othersRatio: null, hinderedRatio: null, stealRatio: null };
  const { reasons, unknown } = hostFitness(silent, { ...NO_STALLS, knowsWaits: false });
  expect(reasons).toEqual([]);
  expect(unknown).toHaveLength(3);
});

test("a probe of this host finds shares", async () => {
  const { stealRatio, othersRatio } = await probeHost({ seconds: 0.2 });
  for (const ratio of [stealRatio ?? 0, othersRatio ?? 0]) {
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
  busyTicks,
  stolenTicks,
  atMs,
  own: new Set([1]),
  processes: new Map([[1, { name: "own", parent: 0, ticks: ownTicks }]]),
});

function told(run?: RunHere): HostSample {
  const found = sampleHost(run);
  if (found === null) throw new Error("the host did not tell");
  return found;
}

test("what own processes used is not the others'", () => {
  const before = sample(1000, 100, 0);
  expect(sharesBetween(before, sample(1200, 300, 1000)).others).toBe(0);
  const half = sharesBetween(before, sample(1200, 200, 1000));
  expect(half.others).toBeCloseTo(1 / availableParallelism(), 10);
  expect(half.own).toBeCloseTo(1 / availableParallelism(), 10);
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
  expect(sharesBetween(before, after).others * availableParallelism()).toBeCloseTo(0.5, 10);
});

test("a burst of others hinders a run more than the same work spread out", () => {
  const all = availableParallelism();
  /** Ticks of all processors and of the run at each second. */
  const hindered = (...seconds: readonly (readonly [busy: number, own: number])[]): HostLoad => {
    const samples = seconds.map(([busy, own], i) => sample(busy * all, own * all, i * 1000));
    const look = loadMeter(() => samples.shift() ?? null);
    return seconds
      .slice(1)
      .map(() => look())
      .at(-1) as HostLoad;
  };
  const even = hindered([0, 0], [40, 30], [80, 60]);
  const burst = hindered([0, 0], [30, 30], [80, 60]);
  expect(even.othersRatio).toBeCloseTo(0.1, 10);
  expect(even.hinderedRatio).toBeCloseTo(hinderedShare(0.3, 0.1, all), 10);
  expect(burst.othersRatio).toBeCloseTo(0.1, 10);
  expect(burst.hinderedRatio).toBeCloseTo(hinderedShare(0.3, 0.2, all) / 2, 10);
  expect(hindered([0, 0], [100, 100]).hinderedRatio).toBe(0);
  expect(loadMeter(() => null)().othersRatio).toBeNull();
});

test("time that the hypervisor took is no other program's", () => {
  const stat = "cpu  100 20 30 4000 50 6 7 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
  expect(processorTicks(stat)).toEqual({ busyTicks: 163, stolenTicks: 80 });
  expect(processorTicks("cpu  100 20 30 4000 50 6 7").stolenTicks).toBeNull();
  const [before, after] = [sample(1000, 100, 0, 5), sample(1200, 300, 1000, 8)];
  expect(sharesBetween(before, after).others).toBe(0);
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
    const run = { ...NO_RUN, deployment };
    const [strange, watched] = [told(), told(run)];
    const usedS = (): number => (told().processes.get(pid)?.ticks ?? 0) / 100;
    const beforeS = usedS();
    // However many others it shares the processors with.
    expect(await eventually(() => usedS() > beforeS + 0.5)).toBe(true);
    const [strangeAfter, watchedAfter] = [told(), told(run)];
    process.kill(pid);
    const hostS = ((strangeAfter.atMs - strange.atMs) / 1000) * availableParallelism();
    return [
      sharesBetween(strange, strangeAfter).others * hostS,
      sharesBetween(watched, watchedAfter).others * hostS,
    ];
  }

  test("a busy stranger is seen; a process of the deployment is not, wherever it was started", async () => {
    const [seenS, ownS] = await othersSeconds(stranger("--deployment=d-1"), "d-1");
    expect(seenS).toBeGreaterThan(0.4);
    expect(ownS).toBeLessThan(seenS - 0.4);
  });
});
