/** Arrivals as simulator and load generator take them. Times are whole µs since the run's start. */
export interface ArrivalSource {
  /** Instant of the next arrival; Infinity when there is none (yet). */
  readonly nextUs: number;
  /** Whether no arrival will come any more. */
  readonly exhausted: boolean;
  /** Takes the next arrival. */
  advance(): void;
  /** A request has ended; only closed loops need it. */
  requestEnded(nowUs: number): void;
  /** End of the measured window if it is known beforehand (durationS), else Infinity. */
  readonly horizonUs: number;
  /** Whether arrivals depend on answers, so that they are unknown before the run. */
  readonly closed: boolean;
}

/** Arrivals stop after a number of them or at an instant; Infinity: no such bound. */
export interface Extent {
  readonly limit: number;
  readonly horizonUs: number;
}
