/** A run's time on the wall clock: the instants of its events, and its timers. */
import { grown } from "../../core/dispatch/request-table.ts";
import type { PreciseTimer } from "../time/precise-timer.ts";

/**
 * A run's clock: whole microseconds of the scenario's time since the run's start, strictly
 * increasing, so each event has an instant of its own. With a time scale of 0.1 the scenario's time
 * passes ten times faster than the wall clock's, and so do batching waits and latency goals.
 */
export class RunClock {
  /** `monotonicUs` at the run's start; may lie ahead, then the clock creeps until it is reached. */
  readonly startUs: number;
  readonly timeScale: number;
  #last = 0;

  constructor(startUs: number, timeScale: number) {
    this.startUs = startUs;
    this.timeScale = timeScale;
  }

  /** The instant of a new event that the wall clock saw at `wallUs` (of `monotonicUs`). */
  tick(wallUs: number): number {
    const elapsed = Math.floor((wallUs - this.startUs) / this.timeScale);
    this.#last = Math.max(elapsed, this.#last + 1);
    return this.#last;
  }

  /** When the wall clock reaches a scenario's instant, in µs of `monotonicUs`. */
  wallUs(atUs: number): number {
    return this.startUs + atUs * this.timeScale;
  }
}

/** The intended time that a client gives, unless it lies ahead or 10 minutes back. */
export function plausible(intendedUs: number | null, nowUs: number): number {
  const known = intendedUs !== null && intendedUs <= nowUs && intendedUs >= nowUs - 600e6;
  return known ? Math.max(0, Math.round(intendedUs)) : nowUs;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * The dispatcher's timers on the wall clock. A timer that moves to a later time keeps its alarm, which
 * is set again for the rest when it rings: a timer never fires early, and a busy batch queue does not set
 * an alarm per job.
 */
export class WakeTimers {
  readonly #alarms: PreciseTimer;
  readonly #clock: RunClock;
  readonly #wake: (timer: number) => void;
  #dueUs: Float64Array;
  #armedUs: Float64Array;
  #alarmIds: Int32Array;

  /** `wake` is called once per due timer, never from within `set`. */
  constructor(count: number, alarms: PreciseTimer, clock: RunClock, wake: (timer: number) => void) {
    this.#alarms = alarms;
    this.#clock = clock;
    this.#wake = wake;
    this.#dueUs = new Float64Array(count).fill(NEVER);
    this.#armedUs = new Float64Array(count).fill(NEVER);
    this.#alarmIds = new Int32Array(count);
  }

  /** Replaces the timer's time; Infinity: none. */
  set(timer: number, atUs: number): void {
    if (timer >= this.#dueUs.length) this.#grow(timer + 1);
    this.#dueUs[timer] = atUs;
    if (atUs < this.#armedUs[timer]) this.#arm(timer, atUs);
  }

  close(): void {
    for (let timer = 0; timer < this.#dueUs.length; timer++) {
      if (this.#armedUs[timer] !== NEVER) this.#alarms.cancel(this.#alarmIds[timer]);
      this.#dueUs[timer] = NEVER;
      this.#armedUs[timer] = NEVER;
    }
  }

  /** Another scheduler's controllers may have more timers. */
  #grow(count: number): void {
    const from = this.#dueUs.length;
    this.#dueUs = grown(this.#dueUs, new Float64Array(count).fill(NEVER, from));
    this.#armedUs = grown(this.#armedUs, new Float64Array(count).fill(NEVER, from));
    this.#alarmIds = grown(this.#alarmIds, new Int32Array(count));
  }

  #arm(timer: number, atUs: number): void {
    if (this.#armedUs[timer] !== NEVER) this.#alarms.cancel(this.#alarmIds[timer]);
    this.#armedUs[timer] = atUs;
    this.#alarmIds[timer] = this.#alarms.set(this.#clock.wallUs(atUs), () => this.#ring(timer));
  }

  #ring(timer: number): void {
    const rangUs = this.#armedUs[timer];
    this.#armedUs[timer] = NEVER;
    const dueUs = this.#dueUs[timer];
    if (dueUs > rangUs) {
      if (dueUs !== NEVER) this.#arm(timer, dueUs);
      return;
    }
    this.#dueUs[timer] = NEVER;
    this.#wake(timer);
  }
}
