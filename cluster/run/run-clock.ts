/** A run's time on the wall clock: the instants of its events, and its timers. */

import type { Clock } from "../time/clock.ts";

/**
 * Whole microseconds of the scenario's time since the run's start, strictly increasing, so that each event
 * has an instant of its own. With a time scale of 0.1 it passes ten times faster than the wall clock's.
 */
export function runClock(startUs: number, timeScale: number) {
  let last = 0;
  return {
    /** The instant of a new event that the clock saw at `wallUs`. */
    tick(wallUs: number): number {
      // The start may lie ahead: then the clock creeps until it is reached.
      last = Math.max(Math.floor((wallUs - startUs) / timeScale), last + 1);
      return last;
    },
    /** The instant of what the dispatcher does not hear of: it may be that of an event. */
    at: (wallUs: number): number => Math.max(Math.floor((wallUs - startUs) / timeScale), last),
    /** When the wall clock reaches a scenario's instant, µs. */
    wallUs: (atUs: number): number => startUs + atUs * timeScale,
  };
}

export type RunClock = ReturnType<typeof runClock>;

/** The intended time that a client gives, unless it lies ahead or 10 minutes back. */
export function plausible(intendedUs: number | null, nowUs: number): number {
  const known = intendedUs !== null && intendedUs <= nowUs && intendedUs >= nowUs - 600e6;
  return known ? Math.max(0, Math.round(intendedUs)) : nowUs;
}

export type WakeTimers = ReturnType<typeof wakeTimers>;

/**
 * The dispatcher's timers on the wall clock; none fires early. `wake` is called once per due timer, never
 * from within `set`.
 */
export function wakeTimers(
  alarms: Pick<Clock, "set" | "cancel">,
  clock: RunClock,
  wake: (timer: number) => void,
) {
  /** By timer that is set: its alarm, and when it rings. */
  const alarmOf = new Map<number, { readonly id: number; readonly atUs: number }>();
  return {
    /** Replaces the timer's time; Infinity: none. */
    set(timer: number, atUs: number): void {
      const before = alarmOf.get(timer);
      if (before?.atUs === atUs) return;
      if (before !== undefined) alarms.cancel(before.id);
      alarmOf.delete(timer);
      if (atUs === Number.POSITIVE_INFINITY) return;
      const id = alarms.set(clock.wallUs(atUs), () => {
        alarmOf.delete(timer);
        wake(timer);
      });
      alarmOf.set(timer, { id, atUs });
    },
    close(): void {
      for (const { id } of alarmOf.values()) alarms.cancel(id);
      alarmOf.clear();
    },
  };
}
