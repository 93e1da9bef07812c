/**
 * MLPerf Inference: the figure that it reports of a run in each of its scenarios, and whether the run is
 * one by its rules. Sources: MLPerf Inference Rules, "Scenarios" and "Early Stopping"; LoadGen's mlperf.conf.
 */

import type { Workload } from "../arrivals/workload.ts";
import type { LatencyStore } from "../statistics/latency-store.ts";
import type { ByMetric } from "./figures.ts";

type Figures = ByMetric<number>;

/** Empty for other workloads. `queries` are the latencies of a stream; percentiles are of the run itself. */
export function mlperfMetrics(
  workload: Workload,
  metrics: Figures,
  queries: LatencyStore | null,
): Figures {
  if (queries !== null && queries.count === 0) return {};
  const atMs = (share: number): number => (queries?.quantilesUs([share])[0] ?? Number.NaN) / 1000;
  switch (workload.arrivals) {
    case "mlperf-single-stream":
      return { queryLatencyP90Ms: atMs(0.9) };
    case "mlperf-multi-stream":
      return { queryLatencyP99Ms: atMs(0.99) };
    case "mlperf-server":
      return {
        validQueriesPerS: isValid(metrics, workload.latencyBoundMs) ? workload.ratePerS : 0,
      };
    case "mlperf-offline": {
      const { makespanMs = Number.NaN, dropRatio = 0, timeoutRatio = 0 } = metrics;
      const answered = workload.requests * (1 - dropRatio - timeoutRatio);
      return { samplesPerS: (answered / makespanMs) * 1000 };
    }
    default:
      return {};
  }
}

/** Every query was answered, 99% of them within the bound. */
function isValid(metrics: Figures, boundMs: number): boolean {
  const { latencyP99Ms = Number.POSITIVE_INFINITY, dropRatio, timeoutRatio } = metrics;
  return latencyP99Ms <= boundMs && dropRatio === 0 && timeoutRatio === 0;
}

const MIN_DURATION_S = 600;
/** Samples of a benchmark with a data set of this size or more. */
const MIN_OFFLINE_SAMPLES = 24_576;
const MIN_MULTI_STREAM_QUERIES = 662;
const SERVER_PERCENTILE = 99;

interface EarlyStopping {
  readonly percentile: number;
  /** The percentile's upper bound at 99% confidence; null: too few queries, or a bound is given. */
  readonly estimateMs: number | null;
  /** Number of highest latencies left out; for Server, of those over the bound. */
  readonly discarded: number;
}

export interface MlperfRules {
  readonly valid: boolean;
  /** The rules that the run breaks. */
  readonly problems: readonly string[];
  /** Null: the scenario has none. */
  readonly earlyStopping: EarlyStopping | null;
}

/** A run as its client saw it. */
export interface MlperfRun {
  readonly queries: number;
  /** Queries, or Offline's samples, without a result. */
  readonly unanswered: number;
  /** Time from the first query to the last answer. */
  readonly durationS: number;
  readonly latencies: LatencyStore;
  /** Answered queries over Server's bound. */
  readonly over: number;
}

/** Null for other workloads. */
export function mlperfRules(workload: Workload, run: MlperfRun): MlperfRules | null {
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
      // Its queries are due over all of this time, even if the last comes earlier.
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

/**
 * Early stopping: a run has seen enough to say that a share p of all queries is within a latency. Each
 * of n independent queries is over it with probability 1 − p, and it must be less likely than 1 − c that t or
 * fewer of them are: P[Binomial(n, 1 − p) ≤ t] < 1 − c, with c = 0.99 and no tolerance.
 */
const CONFIDENCE = 0.99;

/**
 * The most queries over the latency with which n queries show that a share p is within it; −1 when n is
 * too few even without any.
 */
export function mostOver(n: number, p: number): number {
  const logOdds = Math.log((1 - p) / p);
  let logTerm = n * Math.log(p);
  let sum = 0;
  for (let t = 0; t <= n; t++) {
    if (t > 0) logTerm += logOdds + Math.log((n - t + 1) / t);
    sum += Math.exp(logTerm);
    if (sum >= 1 - CONFIDENCE) return t - 1;
  }
  return n;
}

/** The fewest queries that show that a share p is within a latency, when `over` of them were over it. */
export function fewestQueries(over: number, p: number): number {
  let enough = 1;
  while (mostOver(enough, p) < over) enough *= 2;
  let tooFew = enough / 2;
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (mostOver(middle, p) < over) tooFew = middle;
    else enough = middle;
  }
  return enough;
}
