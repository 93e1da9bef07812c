/** About how many requests a workload sends: for progress, and for how many payloads to prepare. */
import { isSpanned, requestsOf } from "../core/arrivals/extent.ts";
import { circle, mmppRatePerS } from "../core/arrivals/mmpp.ts";
import { rampRequests } from "../core/arrivals/ramp.ts";
import type { ScenarioDocument, WorkloadDocument } from "../core/scenario/schema.ts";

/** Closed loops and traces without a number of requests are guessed at. */
const UNKNOWN_RATE_PER_S = 100;

export function expectedRequests({ workload }: ScenarioDocument): number {
  const requests = requestsOf(workload);
  if (requests !== undefined) return requests;
  if ("minQueries" in workload) return leastRequests(workload);
  const seconds = isSpanned(workload) ? (workload.durationS ?? 0) : 0;
  const expected =
    workload.arrivals === "ramp"
      ? rampRequests(workload.rates, seconds)
      : seconds * ratePerS(workload);
  return Math.max(1, Math.round(expected));
}

function ratePerS(workload: WorkloadDocument): number {
  if (workload.arrivals === "mmpp") {
    return mmppRatePerS(workload.states, workload.transitions ?? circle(workload.states.length));
  }
  return "ratePerS" in workload ? workload.ratePerS : UNKNOWN_RATE_PER_S;
}

/** A server's queries go on for both minima; how many a stream of them sends depends on the answers. */
function leastRequests(workload: Extract<WorkloadDocument, { minQueries: number }>): number {
  const { minQueries, minDurationS } = workload;
  if (workload.arrivals === "mlperf-server") {
    return Math.max(minQueries, Math.ceil(workload.ratePerS * minDurationS));
  }
  return minQueries * (workload.arrivals === "mlperf-multi-stream" ? workload.samplesPerQuery : 1);
}
