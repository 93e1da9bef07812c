/** About how many requests a workload sends: for progress, and for how many payloads to prepare. */
import { isSpanned, requestsOf } from "../core/arrivals/extent.ts";
import { circle, mmppRatePerS } from "../core/arrivals/mmpp.ts";
import type { ScenarioDocument, WorkloadDocument } from "../core/scenario/schema.ts";

/** Closed loops and traces without a number of requests are guessed at. */
const UNKNOWN_RATE_PER_S = 100;

export function expectedRequests({ workload }: ScenarioDocument): number {
  const requests = requestsOf(workload);
  if (requests !== undefined) return requests;
  if ("minQueries" in workload) return leastRequests(workload);
  const seconds = isSpanned(workload) ? (workload.durationS ?? 0) : 0;
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

/** A server's queries go on for both minima; how many a stream of them sends depends on the answers. */
function leastRequests(workload: Extract<WorkloadDocument, { minQueries: number }>): number {
  const { minQueries, minDurationS } = workload;
  if (workload.arrivals === "mlperf-server") {
    return Math.max(minQueries, Math.ceil(workload.ratePerS * minDurationS));
  }
  return minQueries * (workload.arrivals === "mlperf-multi-stream" ? workload.samplesPerQuery : 1);
}
