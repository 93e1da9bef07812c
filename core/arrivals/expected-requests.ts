/** About how many requests a workload sends: for progress, for bounds, and for what pays in long runs. */
import type { WorkloadDocument } from "../scenario/schema.ts";
import { diurnalRequests } from "./diurnal.ts";
import { isSpanned, requestsOf } from "./extent.ts";
import { circle, mmppRatePerS } from "./mmpp.ts";
import { rampRequests } from "./ramp.ts";

/** Closed loops and traces without a number of requests are guessed at. */
const UNKNOWN_RATE_PER_S = 100;

export function expectedRequests(workload: WorkloadDocument): number {
  return knownRequests(workload) ?? atLeastOne(secondsOf(workload) * UNKNOWN_RATE_PER_S);
}

/** Undefined where answers, or a file, tell. */
export function knownRequests(workload: WorkloadDocument): number | undefined {
  const requests = requestsOf(workload);
  if (requests !== undefined) return requests;
  if ("minQueries" in workload) return leastRequests(workload);
  const seconds = secondsOf(workload);
  switch (workload.arrivals) {
    case "ramp":
      return atLeastOne(rampRequests(workload.rates, seconds));
    case "diurnal":
      return atLeastOne(diurnalRequests(workload, seconds));
    case "mmpp": {
      const { states, transitions = circle(states.length) } = workload;
      return atLeastOne(seconds * mmppRatePerS(states, transitions));
    }
    default:
      return "ratePerS" in workload ? atLeastOne(seconds * workload.ratePerS) : undefined;
  }
}

function secondsOf(workload: WorkloadDocument): number {
  return isSpanned(workload) ? (workload.durationS ?? 0) : 0;
}

const atLeastOne = (requests: number): number => Math.max(1, Math.round(requests));

/** A server's queries go on for both minima; how many a stream of them sends depends on the answers. */
function leastRequests(workload: Extract<WorkloadDocument, { minQueries: number }>): number {
  const { minQueries, minDurationS } = workload;
  if (workload.arrivals === "mlperf-server") {
    return Math.max(minQueries, Math.ceil(workload.ratePerS * minDurationS));
  }
  return minQueries * (workload.arrivals === "mlperf-multi-stream" ? workload.samplesPerQuery : 1);
}
