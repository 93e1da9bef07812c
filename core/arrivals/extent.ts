/** The extent of a workload: when its warm-up and its arrivals end, and how many requests it sends. */
import { Fault } from "../fault.ts";
import type { WorkloadDocument } from "../scenario/schema/workload.ts";
import {
  changingTimeOf,
  circle,
  diurnalRequests,
  mmppRatePerS,
  rampRequests,
} from "./changing-rate.ts";
import type { Extent } from "./sources.ts";

/** Workloads that `durationS` or `requests` ends. */
type SpannedWorkload = Exclude<WorkloadDocument, { arrivals: "burst" | `mlperf-${string}` }>;

export function isSpanned(workload: WorkloadDocument): workload is SpannedWorkload {
  return workload.arrivals !== "burst" && !workload.arrivals.startsWith("mlperf-");
}

export function extentOf(workload: WorkloadDocument): Extent {
  const seconds = isSpanned(workload) ? workload.durationS : undefined;
  const horizonUs = seconds === undefined ? Number.POSITIVE_INFINITY : Math.round(seconds * 1e6);
  return { limit: requestsOf(workload) ?? Number.POSITIVE_INFINITY, horizonUs };
}

/** The number of requests that a workload gives, if it gives one. */
export function requestsOf(workload: WorkloadDocument): number | undefined {
  return "requests" in workload ? workload.requests : undefined;
}

/** Seconds until the last arrival; 0 where the workload does not say, or there may be no last. */
export function expectedSeconds(workload: WorkloadDocument): number {
  const { horizonUs, limit } = extentOf(workload);
  if (Number.isFinite(horizonUs)) return horizonUs / 1e6;
  if (workload.arrivals === "ramp" || workload.arrivals === "diurnal") {
    const seconds = changingTimeOf(workload)(limit) / 1e6;
    return Number.isFinite(seconds) ? seconds : 0;
  }
  if (!("ratePerS" in workload)) return 0;
  const requests = "minQueries" in workload ? workload.minQueries : limit;
  const shortest = "minDurationS" in workload ? workload.minDurationS : 0;
  return Math.max(shortest, Number.isFinite(requests) ? requests / workload.ratePerS : 0);
}

/** A guess, for closed loops and traces without a number of requests. */
const UNKNOWN_RATE_PER_S = 100;

export function expectedRequests(workload: WorkloadDocument): number {
  return knownRequests(workload) ?? atLeastOne(secondsOf(workload) * UNKNOWN_RATE_PER_S);
}

/** Undefined where the answers or a file decide. */
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

/** A server's queries go on for both minima; of a stream, answers decide how many follow. */
function leastRequests(workload: Extract<WorkloadDocument, { minQueries: number }>): number {
  const { minQueries, minDurationS } = workload;
  if (workload.arrivals === "mlperf-server") {
    return Math.max(minQueries, Math.ceil(workload.ratePerS * minDurationS));
  }
  return minQueries * (workload.arrivals === "mlperf-multi-stream" ? workload.samplesPerQuery : 1);
}

/**
 * The warm-up in seconds. Throws Fault("invalid-input") for `auto`, which only a simulation can find: it
 * puts a number in its place before a configuration runs.
 */
export function givenWarmupS({ warmupS }: WorkloadDocument): number {
  if (warmupS !== "auto") return warmupS;
  throw new Fault("invalid-input", "`workload.warmupS: auto` is for `tandem simulate` alone", {
    hint: "give seconds, such as those that its results name: `--set workload.warmupS=60`",
  });
}
