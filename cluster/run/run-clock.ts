/**
 * A run's clock: whole microseconds of the scenario's time since the run's start, strictly
 * increasing, so each event has an instant of its own. With a time scale of 0.1 the scenario's
 * time goes ten times faster than the wall's; batching waits and latency goals follow by themselves.
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

/** A client's word for when it meant to send, unless that lies ahead or minutes back. */
export function plausible(intendedUs: number | null, nowUs: number): number {
  const known = intendedUs !== null && intendedUs <= nowUs && intendedUs >= nowUs - 600e6;
  return known ? Math.max(0, Math.round(intendedUs)) : nowUs;
}
