/** Where a workload's arrivals stop. */
import type { WorkloadDocument } from "../scenario/schema.ts";
import { changingTimeOf } from "./changing-rate.ts";

/** Workloads that `durationS` or `requests` ends. */
export type SpannedWorkload = Exclude<WorkloadDocument, { arrivals: "burst" | `mlperf-${string}` }>;

export function isSpanned(workload: WorkloadDocument): workload is SpannedWorkload {
  return workload.arrivals !== "burst" && !workload.arrivals.startsWith("mlperf-");
}

/** Arrivals stop after a number of them or at an instant; Infinity: not for that. */
export interface Extent {
  readonly limit: number;
  readonly horizonUs: number;
}

export function extentOf(workload: WorkloadDocument): Extent {
  const seconds = isSpanned(workload) ? workload.durationS : undefined;
  const horizonUs = seconds === undefined ? Number.POSITIVE_INFINITY : Math.round(seconds * 1e6);
  return { limit: requestsOf(workload) ?? Number.POSITIVE_INFINITY, horizonUs };
}

/** How many requests a workload is to send, where it says so. */
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
