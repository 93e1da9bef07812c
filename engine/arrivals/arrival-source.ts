/**
 * The arrivals of a workload: their process, and its extent (when warm-up and arrivals end, how many requests).
 * Simulator and load generator take their arrivals from here, so both see the same instants for the same seed.
 */

import { Fault } from "../basics/fault.ts";
import {
  changingTimeOf,
  circle,
  diurnalRequests,
  mmppRatePerS,
  mmppTimeOf,
  RescaledPoisson,
  rampRequests,
} from "./changing-rate.ts";
import {
  type ArrivalSource,
  atLeast,
  ClosedLoop,
  type Extent,
  QueryStream,
  Renewal,
  Trace,
} from "./sources.ts";
import type { SpannedWorkload, Workload } from "./workload.ts";

/** `traceUs` are the arrival instants of a trace workload, ascending, from 0. */
export function arrivalSource(
  workload: Workload,
  seed: string,
  traceUs: readonly number[] | null,
): ArrivalSource {
  const extent = extentOf(workload);
  switch (workload.arrivals) {
    case "poisson":
      return new Renewal({ kind: "exponential" }, workload.ratePerS, seed, extent);
    case "deterministic":
      return new Renewal({ kind: "constant" }, workload.ratePerS, seed, extent);
    case "gamma":
    case "weibull": {
      const { arrivals: kind, cv, ratePerS } = workload;
      return new Renewal({ kind, cv }, ratePerS, seed, extent);
    }
    case "mmpp": {
      const { states, transitions = circle(states.length) } = workload;
      return new RescaledPoisson(mmppTimeOf(states, transitions, seed), seed, extent);
    }
    case "diurnal":
    case "ramp":
      return new RescaledPoisson(changingTimeOf(workload), seed, extent);
    case "burst":
    case "mlperf-offline":
      return new Trace(new Array<number>(workload.requests).fill(0), extent);
    case "trace": {
      const { scale, repeat = 1 } = workload;
      const plays = repeat === "fill" ? Number.POSITIVE_INFINITY : repeat;
      return new Trace(traceUs ?? [], extent, { scale, plays });
    }
    case "mlperf-single-stream":
    case "mlperf-multi-stream": {
      const single = workload.arrivals === "mlperf-single-stream";
      const samplesPerQuery = single ? 1 : workload.samplesPerQuery;
      const { minQueries, minDurationS } = workload;
      return new QueryStream({ samplesPerQuery, minQueries, minDurationUs: minDurationS * 1e6 });
    }
    case "mlperf-server": {
      const { ratePerS, minQueries, minDurationS } = workload;
      const queries = new Renewal({ kind: "exponential" }, ratePerS, seed, extent);
      return atLeast(queries, minQueries, minDurationS * 1e6);
    }
    case "closed": {
      const { clients, thinkMs } = workload;
      const steps = typeof clients === "number" ? [{ atS: 0, clients }] : clients;
      return new ClosedLoop(steps, thinkMs * 1000, extent);
    }
  }
}

/** The number of requests that a run of this seed sends; null where answers set the pace. */
export function countArrivals(
  workload: Workload,
  seed: string,
  traceUs: readonly number[] | null,
): number | null {
  const source = arrivalSource(workload, seed, traceUs);
  if (source.closed) return null;
  let count = 0;
  for (; source.nextUs !== Number.POSITIVE_INFINITY; source.advance()) count++;
  return count;
}

export function isSpanned(workload: Workload): workload is SpannedWorkload {
  return workload.arrivals !== "burst" && !workload.arrivals.startsWith("mlperf-");
}

function extentOf(workload: Workload): Extent {
  const seconds = isSpanned(workload) ? workload.durationS : undefined;
  const horizonUs = seconds === undefined ? Number.POSITIVE_INFINITY : Math.round(seconds * 1e6);
  return { limit: requestsOf(workload) ?? Number.POSITIVE_INFINITY, horizonUs };
}

/** The number of requests that a workload gives, if it gives one. */
export function requestsOf(workload: Workload): number | undefined {
  return "requests" in workload ? workload.requests : undefined;
}

/** Seconds until the last arrival; 0 where the workload does not say, or there may be no last. */
export function expectedSeconds(workload: Workload): number {
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

export function expectedRequests(workload: Workload): number {
  return knownRequests(workload) ?? atLeastOne(secondsOf(workload) * UNKNOWN_RATE_PER_S);
}

/** Undefined where the answers or a file decide. */
export function knownRequests(workload: Workload): number | undefined {
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

function secondsOf(workload: Workload): number {
  return isSpanned(workload) ? (workload.durationS ?? 0) : 0;
}

const atLeastOne = (requests: number): number => Math.max(1, Math.round(requests));

/** A server's queries go on for both minima; of a stream, answers decide how many follow. */
function leastRequests(workload: Extract<Workload, { minQueries: number }>): number {
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
export function givenWarmupS({ warmupS }: Workload): number {
  if (warmupS !== "auto") return warmupS;
  throw new Fault("invalid-input", "`workload.warmupS: auto` is for `tandem simulate` alone", {
    hint: "give seconds, such as those that its results name: `--set workload.warmupS=60`",
  });
}
