/** Bounds of a run, at which it ends although requests have not. */

const MAX_EVENTS = 2e9;
/** Jobs in the system at once: memory for them takes 1 to 2 GB. */
const MAX_JOBS = 2 ** 23;
/** A day. */
const MAX_DRAIN_US = 86_400e6;
const NEVER = Number.POSITIVE_INFINITY;

export interface Bounds {
  /** A run stops, labelled, after this many events. */
  readonly maxEvents?: number;
  readonly maxJobs?: number;
  /** And this long after its last arrival, virtual µs. */
  readonly maxDrainUs?: number;
}

export class RunBounds {
  /** The run ends with this event; 0 once it has ended. */
  lastEvent: number;
  readonly #maxJobs: number;
  readonly #maxDrainUs: number;
  /** When to look again whether all have arrived and the rest takes too long. */
  #drainedUs: number;
  /** Whether the system holds more than memory should. */
  #isCrowded = false;
  /** Whether the run has ended for another reason than its events. */
  #isStopped = false;

  constructor({ maxEvents = MAX_EVENTS, maxJobs = MAX_JOBS, maxDrainUs = MAX_DRAIN_US }: Bounds) {
    this.lastEvent = maxEvents;
    this.#maxJobs = maxJobs;
    this.#maxDrainUs = maxDrainUs;
    this.#drainedUs = maxDrainUs;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** There is room for so many jobs now. */
  grew(jobs: number): void {
    if (jobs <= this.#maxJobs) return;
    this.#isCrowded = true;
    this.#stop();
  }

  /** Ends the run where the rest takes too long. Returns when to look again. */
  look(nowUs: number, lastArrivalUs: number, haveArrived: boolean): number {
    if (nowUs > this.#drainedUs) {
      this.#drainedUs = lastArrivalUs + this.#maxDrainUs;
      if (haveArrived && nowUs > this.#drainedUs) this.#stop();
    }
    return this.#drainedUs;
  }

  /** Why a run has ended, at `nowUs`, before every request had: a bound, or nothing could happen any more. */
  reason(nowUs: number): "max-events" | "max-drain" | "dead" | "crowded" {
    if (this.#isCrowded) return "crowded";
    if (!this.#isStopped) return "max-events";
    return nowUs === NEVER ? "dead" : "max-drain";
  }

  #stop(): void {
    this.#isStopped = true;
    this.lastEvent = 0;
  }
}
