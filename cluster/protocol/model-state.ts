/** What a hosted model is doing, in the words of the protocol's repository index. */

export type ModelStateName = "UNAVAILABLE" | "LOADING" | "READY" | "UNLOADING";

export interface ModelState {
  readonly state: ModelStateName;
  /** Why it is not ready; "" when it is. */
  readonly reason: string;
}

/** What it took to load the model. */
export interface LoadCost {
  readonly loadMs: number;
  /** Growth of the resident memory of the process, or of the command that serves the model. */
  readonly memoryBytes: number;
}
