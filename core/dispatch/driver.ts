/**
 * What the dispatcher commands. The simulator answers with sampled times on a virtual clock, the
 * gateway with RPCs on the wall clock. Calls come inside the dispatcher's turn: a driver must not
 * call back into the dispatcher before it returns.
 */
export const OUTCOMES = ["completed", "refused", "dropped", "failed", "cancelled"] as const;

export type Outcome = (typeof OUTCOMES)[number];

export interface Driver {
  /** Run the batch that the dispatcher's replica table holds for this replica. */
  start(replica: number, nowUs: number): void;
  /** Call `wake(timer)` at `atUs`; replaces the timer's earlier time. Infinity: not any more. */
  wakeAt(timer: number, atUs: number): void;
  /** The request is over; its slot may be reused after this call. */
  end(request: number, outcome: Outcome, nowUs: number): void;
  /** Time from a request's arrival to its deadline, µs; asked once, where a pipeline draws it. */
  goalUs(request: number): number;
  /** Whether a task's own condition (`when`, cache skips) holds, asked once its inputs are known. */
  holds(request: number, task: number): boolean;
}
