import { afterAll, describe, expect, it } from "vitest";
import { monotonicUs, PreciseTimer } from "../time/clock.ts";
import { runClock, wakeTimers } from "./run-clock.ts";

describe("RunClock", () => {
  it("gives each event an instant of its own, also before the run's start", () => {
    const clock = runClock(1_000_000, 1);
    const seen = [999_000, 999_500, 1_000_000, 1_000_100, 1_000_100.9].map((us) => clock.tick(us));
    expect(seen).toEqual([1, 2, 3, 100, 101]);
  });

  it("runs ten times faster than the wall clock at time scale 0.1", () => {
    const clock = runClock(500, 0.1);
    expect(clock.tick(1500)).toBe(10_000);
    expect(clock.wallUs(10_000)).toBe(1500);
  });
});

describe("WakeTimers", () => {
  const alarms = new PreciseTimer();
  afterAll(() => alarms.close());

  it("wakes once at the last time set, and not after a reset to Infinity", async () => {
    const clock = runClock(monotonicUs(), 1);
    const woken: [number, number][] = [];
    const timers = wakeTimers(alarms, clock, (timer) => {
      woken.push([timer, clock.tick(monotonicUs())]);
    });
    timers.set(0, 30_000);
    timers.set(0, 10_000);
    timers.set(1, 5000);
    timers.set(1, 20_000);
    timers.set(2, 8000);
    timers.set(2, Number.POSITIVE_INFINITY);
    timers.set(3, 8000);
    timers.set(3, Number.POSITIVE_INFINITY);
    timers.set(3, 25_000);
    await alarms.until(clock.wallUs(50_000));
    expect(woken.map(([timer]) => timer)).toEqual([0, 1, 3]);
    const due = [10_000, 20_000, 25_000];
    for (const [i, [, atUs]] of woken.entries()) expect(atUs).toBeGreaterThanOrEqual(due[i]);
    timers.close();
  });

  it("is silent once closed", async () => {
    const clock = runClock(monotonicUs(), 1);
    const timers = wakeTimers(alarms, clock, () => expect.unreachable());
    timers.set(0, 5000);
    timers.close();
    await alarms.until(clock.wallUs(15_000));
  });
});
