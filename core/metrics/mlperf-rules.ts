/**
 * Whether a run is one by MLPerf Inference's rules: long enough, of enough queries, all answered, and
 * early stopping satisfied. Sources: MLPerf Inference Rules, "Scenarios" and "Early Stopping"; the
 * minima that LoadGen's mlperf.conf has beside it.
 */
import type { WorkloadDocument } from "../scenario/schema.ts";
import { fewestQueries, mostOver } from "../statistics/early-stopping.ts";
import type { LatencyStore } from "./latency-store.ts";

const MIN_DURATION_S = 600;
/** Samples of a benchmark whose data set has no fewer. */
const MIN_OFFLINE_SAMPLES = 24_576;
const MIN_MULTI_STREAM_QUERIES = 662;
const SERVER_PERCENTILE = 99;

export interface EarlyStopping {
  readonly percentile: number;
  /** With 99% confidence the percentile is no higher; null: too few queries, or a bound is given. */
  readonly estimateMs: number | null;
  /** Highest latencies that were left out; of Server, those over the bound. */
  readonly discarded: number;
}

export interface MlperfRules {
  readonly valid: boolean;
  /** What the rules ask and the run has not. */
  readonly problems: readonly string[];
  /** Null: the scenario has none. */
  readonly earlyStopping: EarlyStopping | null;
}

/** A run as its client saw it. */
export interface MlperfRun {
  readonly queries: number;
  /** Queries, or Offline's samples, without a result. */
  readonly unanswered: number;
  /** From the first query to the last answer. */
  readonly durationS: number;
  /** Of the answered queries. */
  readonly latencies: LatencyStore;
  /** Answered queries over Server's bound. */
  readonly over: number;
}

/** Null for other workloads. */
export function mlperfRules(workload: WorkloadDocument, run: MlperfRun): MlperfRules | null {
  const { queries, unanswered, latencies } = run;
  const problems = unanswered === 0 ? [] : [`${unanswered} queries got no result`];
  const within = (least: number, what: string): void => {
    if (queries < least) problems.push(`${queries} ${what}, of at least ${least}`);
  };
  let earlyStopping: EarlyStopping | null = null;
  let durationS = run.durationS;
  switch (workload.arrivals) {
    case "mlperf-single-stream":
      earlyStopping = percentileOf(latencies, 90, problems);
      break;
    case "mlperf-multi-stream":
      within(MIN_MULTI_STREAM_QUERIES, "queries");
      earlyStopping = percentileOf(latencies, 99, problems);
      break;
    case "mlperf-server":
      // Its queries are due over all of this time, whenever the last of them is.
      durationS = Math.max(durationS, workload.minDurationS);
      earlyStopping = bounded(queries, run.over + unanswered, workload.latencyBoundMs, problems);
      break;
    case "mlperf-offline":
      within(MIN_OFFLINE_SAMPLES, "samples");
      break;
    default:
      return null;
  }
  if (durationS < MIN_DURATION_S) {
    problems.push(`it took ${durationS.toFixed(1)} s, of at least ${MIN_DURATION_S} s`);
  }
  return { valid: problems.length === 0, problems, earlyStopping };
}

/** The t-th highest latency, of the most that may be over the percentile. */
function percentileOf(
  latencies: LatencyStore,
  percentile: number,
  problems: string[],
): EarlyStopping {
  const { count } = latencies;
  const over = mostOver(count, percentile / 100);
  if (over < 1) {
    const least = fewestQueries(1, percentile / 100);
    problems.push(`early stopping needs ${least} queries for p${percentile}, it had ${count}`);
    return { percentile, estimateMs: null, discarded: 0 };
  }
  // Halfway between two ranks, so that rounding takes neither neighbour.
  const [estimateUs] = latencies.quantilesUs([(count - over + 0.5) / count]);
  return { percentile, estimateMs: estimateUs / 1000, discarded: over - 1 };
}

function bounded(
  queries: number,
  over: number,
  boundMs: number,
  problems: string[],
): EarlyStopping {
  const share = SERVER_PERCENTILE / 100;
  if (over > mostOver(queries, share)) {
    const more = fewestQueries(over, share) - queries;
    problems.push(
      `early stopping: ${over} of ${queries} queries were over ${boundMs} ms; it takes ${more} more, all within it`,
    );
  }
  return { percentile: SERVER_PERCENTILE, estimateMs: null, discarded: over };
}
