/** The calendar of wake-ups: timers that the dispatcher asked for, and the run's next look at its bounds. */
// Hot path: see docs/hot-path.md

import { WinnerTree } from "../../engine/basics/priority-queues.ts";

const NEVER = Number.POSITIVE_INFINITY;
const SOON = Number.NEGATIVE_INFINITY;

/** A timer makes an instant of its own; a look waits for the first instant from its time on. */
export class WakeUps {
  declare private readonly timers: WinnerTree;
  /** When the next timer is due; most runs have none. */
  timerUs = NEVER;
  lookUs = SOON;
  /** The earlier of the two, so that an instant with neither costs one comparison. */
  nextUs = SOON;

  constructor(timers: number) {
    this.timers = new WinnerTree(timers);
  }

  /** Replaces the timer's earlier time; Infinity: not any more. */
  set(timer: number, atUs: number): void {
    this.timers.set(timer, atUs);
    this.timerIsDue(this.timers.least());
  }

  /** Takes the timer that is due at `timerUs`. */
  takeTimer(): number {
    const timer = this.timers.take();
    this.timerIsDue(this.timers.least());
    return timer;
  }

  lookAt(atUs: number): void {
    this.lookUs = atUs;
    this.nextUs = Math.min(this.timerUs, atUs);
  }

  /** At the next instant. */
  lookSoon(): void {
    this.lookUs = SOON;
    this.nextUs = SOON;
  }

  private timerIsDue(atUs: number): void {
    this.timerUs = atUs;
    this.nextUs = Math.min(atUs, this.lookUs);
  }
}
