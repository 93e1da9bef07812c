/** About how many requests a workload sends: for progress, and for how many payloads to prepare. */
import type { ScenarioDocument } from "../core/scenario/schema.ts";

/** Closed loops and traces without a number of requests are guessed at. */
const UNKNOWN_RATE_PER_S = 100;

export function expectedRequests({ workload }: ScenarioDocument): number {
  if (workload.requests !== undefined) return workload.requests;
  const seconds = "durationS" in workload ? (workload.durationS ?? 0) : 0;
  const ratePerS = "ratePerS" in workload ? workload.ratePerS : UNKNOWN_RATE_PER_S;
  return Math.max(1, Math.round(seconds * ratePerS));
}
