/**
 * The dispatcher's timers on the wall clock. A timer that is moved to a later time keeps its alarm:
 * when that rings early, it is set again for the rest, so a timer never fires before its time and a
 * busy batch queue does not set an alarm per job.
 */
import { grown } from "../../core/dispatch/request-table.ts";
import type { PreciseTimer } from "../precise-timer.ts";
import type { RunClock } from "./run-clock.ts";

const NEVER = Number.POSITIVE_INFINITY;

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

  /** Replaces the timer's earlier time; Infinity: not any more. */
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
