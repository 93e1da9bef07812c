/** About how many requests a workload sends: for progress, and for how many payloads to prepare. */
import { circle, mmppRatePerS } from "../core/arrivals/mmpp.ts";
import type { ScenarioDocument, WorkloadDocument } from "../core/scenario/schema.ts";

/** Closed loops and traces without a number of requests are guessed at. */
const UNKNOWN_RATE_PER_S = 100;

export function expectedRequests({ workload }: ScenarioDocument): number {
  if (workload.requests !== undefined) return workload.requests;
  const seconds = "durationS" in workload ? (workload.durationS ?? 0) : 0;
  return Math.max(1, Math.round(seconds * ratePerS(workload)));
}

function ratePerS(workload: WorkloadDocument): number {
  switch (workload.arrivals) {
    case "mmpp":
      return mmppRatePerS(workload.states, workload.transitions ?? circle(workload.states.length));
    case "ramp":
      return Math.max(...workload.rates.map((point) => point.ratePerS));
    default:
      return "ratePerS" in workload ? workload.ratePerS : UNKNOWN_RATE_PER_S;
  }
}
