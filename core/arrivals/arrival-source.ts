/**
 * The arrival process of a workload. Simulator and load generator take their arrivals from here, so both
 * see the same instants for the same seed.
 */
import type { WorkloadDocument } from "../scenario/schema/workload.ts";
import { changingTimeOf, circle, mmppTimeOf, RescaledPoisson } from "./changing-rate.ts";
import { extentOf } from "./extent.ts";
import { type ArrivalSource, atLeast, ClosedLoop, QueryStream, Renewal, Trace } from "./sources.ts";

/** `traceUs` are the arrival instants of a trace workload, ascending, from 0. */
export function arrivalSource(
  workload: WorkloadDocument,
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
  workload: WorkloadDocument,
  seed: string,
  traceUs: readonly number[] | null,
): number | null {
  const source = arrivalSource(workload, seed, traceUs);
  if (source.closed) return null;
  let count = 0;
  for (; source.nextUs !== Number.POSITIVE_INFINITY; source.advance()) count++;
  return count;
}
