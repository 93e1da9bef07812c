/** Something that changes the cluster while a run goes on. */
export interface Disturbance {
  /** Instant of the next change; Infinity when there is none. */
  nextUs(): number;
  /** Lets the change at `nextUs()` happen. */
  fire(nowUs: number): void;
  /** The end of an instant: the dispatcher has decided. */
  settle(nowUs: number): void;
}
