/** Results of a validation as JSON documents: the measured side beside the predicted one, and the verdicts. */

import type { ByMetric, LatencyCurve } from "../engine/metrics/figures.ts";
import type { BackendName } from "../scenario/schema/run.ts";
import type { ConfigurationResult, DocumentHeader } from "./documents.ts";

/** An estimate over repeated runs; a single run has no interval. */
export interface RunEstimate {
  readonly mean: number;
  readonly halfWidth95: number | null;
}

type RunMetrics = ByMetric<RunEstimate>;

/** `minimum` and `maximum` are of single runs. */
export interface MeasuredSide {
  readonly metrics: RunMetrics;
  readonly spread: ByMetric<{ minimum: number; maximum: number }>;
  readonly tasks: Readonly<Record<string, Readonly<Record<string, RunEstimate>>>>;
  readonly repeats: number;
  readonly backend: BackendName;
  readonly latencyCurve?: LatencyCurve;
  readonly health: HealthSummary;
}

/** The fitness of load generator and host over all repeats; an unfit one cannot be judged. */
export interface HealthSummary {
  readonly healthy: boolean;
  readonly lateArrivalRatio: number;
  readonly latenessP99Ms: number;
  readonly eventLoopDelayP99Ms: number;
  /**
   * By run: the share of the processors that other programs used, and the share of the time in which they left the run
   * without a free one. It is absent where the system does not report them.
   */
  readonly others?: readonly { readonly usedRatio: number; readonly hinderedRatio: number }[];
  /** Share of the processors that the hypervisor took; absent: the system does not tell. */
  readonly stealRatio?: number;
  /** Pauses beyond 2 ms that no thread's load explains, and their share of the time; absent: not watched. */
  readonly stalls?: { readonly longestMs: number; readonly ratio: number };
  readonly reasons: readonly string[];
  /** Why each run was set aside; absent where none was. */
  readonly setAside?: readonly string[];
}

/**
 * The 90% interval of an error against its tolerance: inside, outside, or across its edge. A
 * configuration disagrees if any judged metric does, and agrees if all do.
 */
export type Verdict = "agrees" | "disagrees" | "cannot tell";

export interface MetricJudgement {
  readonly verdict: Verdict;
  /** Interval of the error; null for a single run. */
  readonly interval90: { readonly low: number; readonly high: number } | null;
  /**
   * Confidence of `interval90` where it is not 90%: blocks of real models are looked at up to four times, and each
   * look has its share of the 5% of a tail.
   */
  readonly level?: number;
  /** Set where the verdict is "cannot tell", and where blocks disagree. */
  readonly reason?: string;
  /** Either would settle it, by the variance so far; null: not feasible. */
  readonly settledBy?: { readonly runs: number | null; readonly secondsPerRun: number | null };
}

interface ErrorInterval {
  /** (predicted − measured) / measured. */
  readonly mean: number;
  /** Both tails together have this look's share of the error. */
  readonly interval90: { readonly low: number; readonly high: number } | null;
}

/**
 * A model's time in place between the blocks over that of its stored profile. One of several models is off by its
 * ratio to the others, so `interval95` of its own may hold 1.
 */
export interface ModelJudgement {
  readonly ratio: number;
  readonly interval95: { readonly low: number; readonly high: number };
  /** Time of the host's probe over that at calibration; null: the profile has none. */
  readonly pace: number | null;
  /** Whether `ratio` is divided by the pace, as the probe explains the models' changes. */
  readonly usesProbe: boolean;
  readonly isOff: boolean;
}

/** The slow-down of two busy workers by each other between the blocks, and as stored. */
export interface NeighbourJudgement {
  readonly measured: number;
  readonly stored: number;
  /** Of `measured` over `stored`. */
  readonly interval95: { readonly low: number; readonly high: number };
}

export interface BlockJudgement {
  /** Of the prediction from the stored profiles, per judged metric. */
  readonly error: ByMetric<number>;
  readonly tolerance: ByMetric<number>;
  readonly judgements: ByMetric<MetricJudgement>;
  readonly verdict: Verdict;
  /** The simulator's own error: its prediction knows the models' times between the blocks, and the blocks' own messages. */
  readonly simulatorError: ByMetric<ErrorInterval>;
  /** The error of a mean latency that knows the times of service in the blocks themselves; older documents lack it. */
  readonly waitsError?: ErrorInterval;
  readonly models: Readonly<Record<string, ModelJudgement>>;
  /** Absent where fewer than three brackets measured it. */
  readonly neighbours?: NeighbourJudgement;
  /** By model, times of service under load. */
  readonly service: Readonly<Record<string, ErrorInterval>>;
  /** Both round trips and the gateway's work for a request of one task, µs; absent without an overhead profile. */
  readonly messages?: { readonly storedUs: number; readonly measuredUs: number };
  /** Where it disagrees: the cause, and the next experiment. */
  readonly culprit?: string;
  readonly next?: string;
}

/** One block of load of a validation of real models. */
export interface BlockResult {
  /** Its begin, s after the first bracket. */
  readonly atS: number;
  readonly requests: number;
  readonly measuredMeanMs: number;
  readonly predictedMeanMs: number;
  /** Predicted from the brackets beside it, and its own message costs. */
  readonly informedMeanMs: number;
}

/** The pipeline under light load, between two blocks. */
export interface Bracket {
  readonly atS: number;
  readonly probeUs: number;
  /** Mean work of a job in place, by model, µs. */
  readonly workUs: Readonly<Record<string, number>>;
  /**
   * By model, the middle half of its calls alone and of the probe's kernels between them, µs; without models that are
   * too slow for a bracket.
   */
  readonly levels?: Readonly<Record<string, { readonly us: number; readonly probeUs: number }>>;
  /** Slow-down of two busy workers by each other; absent where no two replicas share a machine. */
  readonly slowdown?: number;
}

/** The simulator fed with the runs' own traces, against the runs. */
export interface SimulatorJudgement {
  readonly verdict: Verdict;
  /** (simulated − measured) / measured, per judged metric. */
  readonly error: ByMetric<number>;
  readonly judgements: ByMetric<MetricJudgement>;
  /** Share of the requests that another replica, or a batch of another size, served in the simulation than in reality. */
  readonly otherPathRatio: number;
}

export interface ValidationResult extends ConfigurationResult {
  readonly predicted: RunMetrics;
  /** As the plan that chose it confirmed it; absent where none did. */
  readonly planned?: RunMetrics;
  readonly measured: MeasuredSide;
  /** (predicted − measured) / measured, per judged metric. */
  readonly error: ByMetric<number>;
  readonly tolerance: ByMetric<number>;
  readonly judgements: ByMetric<MetricJudgement>;
  readonly verdict: Verdict;
  /** Absent for language models, variants and clients that try again, whose runs have no trace. */
  readonly simulator?: SimulatorJudgement;
  /**
   * Where language models ran for real: the time of their iterations over that of their step profile, which is the host's
   * pace in each run's prediction unless it is too much for that; and errors of predictions from the profile alone.
   */
  readonly iterations?: { readonly ratio: number; readonly storedError: ByMetric<number> };
  /** Of real models: what was judged besides, block by block. */
  readonly blocks?: readonly BlockResult[];
  readonly brackets?: readonly Bracket[];
  readonly judgedBy?: Pick<
    BlockJudgement,
    | "simulatorError"
    | "waitsError"
    | "models"
    | "neighbours"
    | "service"
    | "messages"
    | "culprit"
    | "next"
  >;
}

export interface ValidationDocument extends DocumentHeader {
  readonly schema: "tandem/validation@3";
  readonly kind: "validation";
  readonly configurations: readonly ValidationResult[];
}
