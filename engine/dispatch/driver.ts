/** The dispatcher's commands to whoever drives it. */

export const OUTCOMES = ["completed", "refused", "dropped", "failed", "cancelled"] as const;

export type Outcome = (typeof OUTCOMES)[number];

/**
 * The simulator answers with sampled times on a virtual clock, the gateway with RPCs on the wall
 * clock. Calls come inside the dispatcher's turn: a driver must not call back into the dispatcher
 * before it returns.
 */
export interface Driver {
  /** Run the batch that the dispatcher's replica table holds for this replica. */
  start(replica: number, nowUs: number): void;
  /** Call `wake(timer)` at `atUs`; replaces the timer's earlier time. Infinity: not any more. */
  wakeAt(timer: number, atUs: number): void;
  /** The request is over; its slot may be reused after this call. */
  end(request: number, outcome: Outcome, nowUs: number): void;
  /** Time from a request's arrival to its deadline, µs; asked once, where a pipeline draws it. */
  goalUs(request: number): number;
  /** Size of a request's input, NaN if unknown; asked once, where service times depend on it. */
  inputSize?(request: number): number;
  /** The prompt of a language model's job, null if unknown; asked as often as a rule reads it. */
  prompt?(request: number, task: number): Prompt | null;
  /** Whether a task's own condition (`when`, cache skips) holds, asked once its inputs are known. */
  holds(request: number, task: number): boolean;
  /** The task's answer is not awaited any more: the request goes on with one like the pool's others. */
  imputed?(request: number, task: number, pool: number, nowUs: number): void;
  /** Labels of the answers of ensembles' members; null where there are none. */
  readonly labels?: AnswerLabels | null;
  /** The votes for a request are counted. `ensemble` is its number in the pipeline. */
  voted?(request: number, ensemble: number, vote: CountedVote, nowUs: number): void;
  /** Carries out what controllers command beyond starts; null where no controller does. */
  readonly cluster?: ClusterDriver | null;
}

export interface Prompt {
  readonly tokens: number;
  /** Prompts of one beginning start with the same tokens, as the task's `prefix` says; −1: this one is a text. */
  readonly beginning: number;
}

/** The answer of an ensemble. */
export interface CountedVote {
  /** −1: no answer has come. */
  readonly label: number;
  /** Share of the weight of all that were asked and agree. */
  readonly confidence: number;
  /** Whether the confidence is at least the ensemble's least; else its fallback is the answer, if it has one. */
  readonly isSure: boolean;
  /** The members, as tasks, that gave the label. */
  readonly agreeing: readonly number[];
}

export interface AnswerLabels {
  /** The label that is right, where answers are drawn; null where nobody knows. */
  readonly truth: number | null;
  /** A number from 0 that equal answers share; −1: the answer has no label. Asked once the task has run. */
  of(request: number, task: number): number;
}

/**
 * When a worker may start a batch, µs from its receipt, so that no clocks need to agree. It waits
 * there while its device slot is busy, and is cancelled when it cannot start in time.
 */
export interface StartWindow {
  readonly earliestUs: number;
  readonly latestUs: number;
}

/** Commands about the cluster itself. The driver reports what comes of them as events. */
export interface ClusterDriver {
  /** Bring a replica up, which takes its time; then it joins. */
  order(replica: number, nowUs: number): void;
  /** The dispatcher sends a replica no more work; its batch, if it has one, runs on. */
  release(replica: number, nowUs: number): void;
  /** Stop the batch on a replica. False: it runs on, and ends as any other. */
  abort(replica: number, nowUs: number): boolean;
  /** Load a model onto a device slot, or take it off; the driver reports `residency`. */
  load(slot: number, model: number, nowUs: number): void;
  evict(slot: number, model: number, nowUs: number): void;
  /**
   * Solve a problem beside the turns, then call `solved` of the dispatcher: the simulator at `atUs`, a gateway there or
   * once it has the solution. Replaces the controller's earlier problem.
   */
  ask?(controller: number, problem: unknown, atUs: number): void;
  /** The next `start` on a replica has this start window; absent: workers start at once. */
  window?(replica: number, window: StartWindow): void;
}
