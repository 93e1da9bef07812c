import { describe, expect, test } from "vitest";
import { NO_STALLS, type Stalls } from "../cluster/time/stall-watch.ts";
import type { HealthSummary } from "../results/validation.ts";
import { disturbance, type HostDuringRun, watchHost } from "./host.ts";
import { cutNote, overallHealth, runHealth, unfitness, worstStalls } from "./real-runs.ts";

const fit: HealthSummary = {
  healthy: true,
  lateArrivalRatio: 0,
  latenessP99Ms: 0.1,
  eventLoopDelayP99Ms: 1,
  reasons: [],
};
const quiet: HostDuringRun = {
  othersRatio: 0.02,
  hinderedRatio: 0.01,
  stealRatio: 0.001,
  stalls: NO_STALLS,
};
const others = [{ usedRatio: 0.02, hinderedRatio: 0.01 }];

/** In a run of 20 s. */
function stalls(count: number, eachMs: number): Stalls {
  return {
    ...NO_STALLS,
    seconds: 20,
    count,
    longestMs: eachMs,
    totalMs: count * eachMs,
    squaredMs2: count * eachMs ** 2,
  };
}

test("a quiet host leaves a run fit, and its figures are kept", () => {
  const health = runHealth(fit, { ...quiet, stalls: stalls(2, 5) }, 20);
  expect(health).toEqual({
    ...fit,
    others,
    stealRatio: 0.001,
    stalls: { longestMs: 5, ratio: 0.0005 },
  });
});

test("the hypervisor has a limit of its own, apart from other programs", () => {
  const stolen = runHealth(fit, { ...quiet, stealRatio: 0.031 }, 20);
  expect(stolen.healthy).toBe(false);
  expect(stolen.reasons).toEqual(["the hypervisor took 3.1% of the processors (limit 1.0%)"]);
  const busy = runHealth(fit, { ...quiet, othersRatio: 0.08, hinderedRatio: 0.055 }, 20);
  expect(busy.reasons).toEqual([
    "other programs used 8.0% of the host's processors, and left a run without a free one for 5.5% of the time (limit 3.0%)",
  ]);
});

test("stalls count by what they add to the run's own latencies", () => {
  const host = { ...quiet, stalls: stalls(11, 15) };
  const short = runHealth(fit, host, 20);
  expect(short.reasons).toEqual([
    "stalls of up to 15 ms took 0.8% of the run, which adds 1.1% to a mean latency of 20 ms (limit 1.0%)",
  ]);
  expect(runHealth(fit, host, 5000).healthy).toBe(true);
  expect(runHealth(fit, host, 2).healthy).toBe(false);
  // Shorter stalls of the same share delay less.
  expect(runHealth(fit, { ...quiet, stalls: stalls(55, 3) }, 20).healthy).toBe(true);
  expect(runHealth(fit, host, Number.NaN).healthy).toBe(true);
});

test("a system that cannot tell stalls from waits does not judge by them", () => {
  const nothing = { othersRatio: null, hinderedRatio: null, stealRatio: null };
  const host = { ...nothing, stalls: stalls(100, 15) };
  const told = runHealth(fit, { ...host, stalls: { ...host.stalls, knowsWaits: false } }, 20);
  expect(told).toEqual({ ...fit, stalls: { longestMs: 15, ratio: 0.075 } });
});

test("several runs have the worst of all", () => {
  const one = { ...fit, stealRatio: 0.001, stalls: { longestMs: 3, ratio: 0.002 } };
  const two = { ...fit, stalls: { longestMs: 9, ratio: 0.001 } };
  expect(worstStalls([one, two])).toEqual({
    stealRatio: 0.001,
    stalls: { longestMs: 9, ratio: 0.002 },
  });
  expect(worstStalls([fit])).toEqual({});
});

describe("runs that were set aside", () => {
  const unfit = (reason: string) => ({ health: { ...fit, healthy: false, reasons: [reason] } });
  const runs = (healthy: number, ...reasons: readonly string[]) => ({
    healthy: Array.from({ length: healthy }, () => ({ health: fit })),
    unhealthy: reasons.map(unfit),
  });

  test("are summed up in one reason, and each keeps its own", () => {
    const { healthy, reasons, setAside } = overallHealth(runs(5, "late", "stalls"), 5);
    expect(healthy).toBe(true);
    expect(reasons).toEqual(["2 runs were set aside; of the last, stalls"]);
    expect(setAside).toEqual(["late", "stalls"]);
    expect(overallHealth(runs(5, "late"), 5).reasons[0]).toMatch(/^1 run was set aside/);
    expect(overallHealth(runs(5), 5)).toEqual(fit);
    const watched = [0.01, 0.02].map((usedRatio) => ({
      health: { ...fit, others: [{ usedRatio, hinderedRatio: usedRatio }] },
    }));
    const { others: ofEach } = overallHealth(
      { healthy: [...watched, watched[0]], unhealthy: [] },
      3,
    );
    expect(ofEach?.map(({ usedRatio }) => usedRatio)).toEqual([0.01, 0.02, 0.01]);
  });

  test("give the same reason as the verdict if too few runs are left", () => {
    const few = runs(2, "late", "stalls", "stolen");
    const reason = "2 of 5 runs were fit to be judged by; of the last, stolen";
    expect(unfitness(few, 3)).toBe(reason);
    expect(overallHealth(few, 3)).toMatchObject({ healthy: false, reasons: [reason] });
    expect(unfitness(runs(3, "late"), 3)).toBeNull();
  });

  test("do not count as runs when a budget or Ctrl-C ends the validation", () => {
    const spent = { ...runs(5, "a", "b", "c", "d"), cutShort: "the budget was spent" };
    expect(cutNote(spent, 6)).toEqual([
      "the budget was spent after 5 of 6 runs (4 more were set aside)",
    ]);
    expect(unfitness({ ...runs(1, "late"), cutShort: "interrupted" }, 3)).toBe(
      "interrupted after 1 of 3 runs (1 more was set aside)",
    );
    expect(cutNote({ ...runs(1), cutShort: "interrupted" }, 3)).toEqual([
      "interrupted after 1 of 3 runs",
    ]);
    expect(cutNote(runs(5), 5)).toEqual([]);
  });
});

test("a watch covers the time between its start and its end", async () => {
  const watch = watchHost();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { stalls: seen } = await watch.stop();
  expect(seen.seconds).toBeGreaterThan(0);
  watchHost().close();
});

test("a round in which others used the host, or in which it stood still, is not measured by", () => {
  expect(disturbance(quiet, true)).toBeNull();
  expect(disturbance({ ...quiet, stalls: stalls(3, 40) }, true)).toBeNull();
  expect(disturbance({ ...quiet, stalls: stalls(1, 80) }, true)?.reason).toBe(
    "the host stood still for 80 ms",
  );
  const busy = { ...quiet, othersRatio: 0.1, hinderedRatio: 0.08 };
  expect(disturbance(busy, true)?.reason).toContain(
    "other programs used 10% of the host's processors",
  );
  expect(disturbance(busy, false)).toBeNull();
});
