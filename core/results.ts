/** The documents that simulate (`tandem/results@1`) and validate (`tandem/validation@2`) print. */
import type { BackendName } from "./scenario/schema/run.ts";

export const METRICS = [
  "latencyMeanMs",
  "latencyP50Ms",
  "latencyP90Ms",
  "latencyP95Ms",
  "latencyP99Ms",
  "latencyMaxMs",
  "queueWaitMeanMs",
  "makespanMs",
  "throughputPerS",
  "goodputPerS",
  "inSystemMean",
  "utilizationRatio",
  "sloAttainmentRatio",
  "dropRatio",
  "timeoutRatio",
  "attemptsPerRequest",
  "queryLatencyP90Ms",
  "queryLatencyP99Ms",
  "validQueriesPerS",
  "samplesPerS",
  "unfinishedRatio",
  "availabilityRatio",
  "recoveryMeanMs",
  "batchSizeMean",
  "costPerHour",
  "costPer1000Requests",
  "energyJoulesPerRequest",
] as const;

export type MetricName = (typeof METRICS)[number];

/** A figure with the half width of its 95% confidence interval over replications or repeats. */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth95: number;
}

export type Metrics = Readonly<Partial<Record<MetricName, Estimate>>>;
export type TaskMetrics = Readonly<Record<string, Estimate>>;

/** The latency goal that configurations are judged by: this share of requests within this time. */
export interface SloGoal {
  readonly latencyMs: number;
  /** In percent, as in a scenario: 99 means p99. */
  readonly percentile: number;
}

/** Whether goals are met: the 95% interval of the attainment against the percentile (`core/slo.ts`). */
export type SloState = "meets" | "misses" | "unclear";

/** Latency distribution for charts: ascending latencies at the given cumulative shares. */
export interface LatencyCurve {
  readonly share: readonly number[];
  readonly latencyMs: readonly number[];
}

/** One bar of a Gantt chart: a batch on a replica, times from the run's start. */
export interface GanttBar {
  readonly replica: string;
  readonly task: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly batch: number;
  readonly requests: readonly number[];
}

/** From one run: means of consecutive batches, or ranks of the ordered latencies. */
export type IntervalMethod = "batch means" | "order statistics";

/** Whether replications made the chosen metrics as precise as asked for. */
export interface Precision {
  /** Half width over mean. */
  readonly target: number;
  /** What was reached; null where a metric has no value. */
  readonly relativeHalfWidths: Readonly<Partial<Record<MetricName, number | null>>>;
  /** Metrics that stayed above the target. */
  readonly missed: readonly MetricName[];
}

/** Whether there is a steady state for the figures to be of; "unknown" where nothing tells. */
export type Stability = "stable" | "unstable" | "unknown";

/** Where replicas run, of one kind of node; under scaling with as many as there may be. */
export interface NodePlacement {
  /** Machines that host a replica: each is billed whole, while any of its replicas is up or starting. */
  readonly machinesUsed: number;
  /** All machines of the kind. */
  readonly machines: number;
  /** Cost of those that host none, which nobody is billed for. */
  readonly idleCostPerHour: number;
  /** By task. */
  readonly replicas: Readonly<Record<string, number>>;
}

/** By kind of node. */
export type Placement = Readonly<Record<string, NodePlacement>>;

export type Parameter = string | number | boolean | null;

/**
 * The decision that a swept path varies. "replicas": `cluster.replicas`; "shape": the rest of the
 * cluster; "scheduler": a preset, a composition or a policy; "scheduler parameter": a value that
 * one policy reads; "load": the workload.
 */
export type ParameterKind =
  | "load"
  | "replicas"
  | "shape"
  | "scheduler"
  | "scheduler parameter"
  | "other";

/** By swept path. */
export type ParameterKinds = Readonly<Record<string, ParameterKind>>;

export interface ConfigurationResult {
  readonly id: string;
  /** The swept paths and this configuration's values (objects are shown as JSON text). */
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly replications: number;
  /** Requests over all replications, warm-up included. */
  readonly requests: number;
  readonly metrics: Metrics;
  readonly tasks: Readonly<Record<string, TaskMetrics>>;
  /** Metrics of each pipeline's requests, where there are several. */
  readonly pipelines?: Readonly<Record<string, TaskMetrics>>;
  /** Digest over every request's outcome and latency, in order of their ends, of all replications. */
  readonly digest: string;
  /** Where the scenario has nodes. */
  readonly placement?: Placement;
  readonly latencyCurve?: LatencyCurve;
  readonly gantt?: readonly GanttBar[];
  readonly notes?: readonly string[];
  /** Of all pipelines' goals; absent where there are none. */
  readonly slo?: SloState;
  readonly stability?: Stability;
  /** Of the busiest station, by the traffic equations: 1 and more is more than it can do. */
  readonly offeredLoadRatio?: number;
  /** Of `warmupS: auto`: what was found. */
  readonly warmupS?: number;
  /** Set when replications were added until intervals were narrow enough. */
  readonly precision?: Precision;
  /** How the intervals of one run alone were found; a metric that is not here has none. */
  readonly intervals?: Readonly<Partial<Record<MetricName, IntervalMethod>>>;
  /** Compared metrics by replication, in order: what paired differences are taken of. */
  readonly samples?: Readonly<Partial<Record<MetricName, readonly number[]>>>;
}

/** One metric of configurations that differ only in the parameters `over`. */
export interface Comparison {
  readonly metric: MetricName;
  readonly over: readonly string[];
  /** The other swept parameters, equal in all members. */
  readonly fixed: Readonly<Record<string, Parameter>>;
  readonly members: readonly ComparedMember[];
  readonly differences: readonly Difference[];
}

export interface ComparedMember {
  /** Of the configuration. */
  readonly id: string;
  readonly mean: number;
  /**
   * "worse": shown to be worse than another by more than the margin; "best": all others are; "not
   * distinguishable": several are not worse, so any of them may be the best, or as good.
   */
  readonly verdict: "best" | "not distinguishable" | "worse";
  /** Distance to the best of the others: intervals that hold for all members at once, 95%. */
  readonly fromBest: { readonly low: number; readonly high: number };
}

/** Mean of a's value less b's over replications of the same seed, with its own 95% interval. */
export interface Difference {
  readonly a: string;
  readonly b: string;
  readonly mean: number;
  readonly halfWidth95: number;
  readonly pairs: number;
  /** P value, adjusted for all differences of the comparison (Holm). */
  readonly adjustedP: number;
  /** Whether `adjustedP` is below 5%: otherwise it may be noise. It says nothing of the margin. */
  readonly distinguishable: boolean;
}

/** The capacity that arrival rates were given as shares of: of the sweep's smallest shape. */
export interface LoadCapacity {
  /** Requests per second at which the busiest station is busy all the time. */
  readonly perS: number;
  readonly station: string;
  /** Of each task. */
  readonly replicas: Readonly<Record<string, number>>;
  /** The shares that were given, and the rates that they came to. */
  readonly shares: readonly { readonly ofCapacity: number; readonly ratePerS: number }[];
}

export interface ResultsDocument {
  readonly schema: "tandem/results@1";
  readonly scenario: { readonly name: string; readonly digest: string };
  readonly seed: number;
  readonly command: string;
  readonly capacity?: LoadCapacity;
  /** Set when all pipelines share one goal: reports draw it. */
  readonly slo?: SloGoal;
  /** By pipeline, where they differ. */
  readonly slos?: Readonly<Record<string, SloGoal>>;
  /** Differences up to this share of the best's mean are ties. */
  readonly margin?: number;
  /** Schedulers by name, the simplest first: the order in which ties are named. */
  readonly simplestFirst?: readonly string[];
  /** Of every swept path; absent in documents of earlier versions. */
  readonly parameterKinds?: ParameterKinds;
  /** About what all predictions are made of. */
  readonly notes?: readonly string[];
  readonly configurations: readonly ConfigurationResult[];
  readonly comparisons?: readonly Comparison[];
}

/** An estimate over repeated runs: null where there is one alone, which has no interval. */
export interface RunEstimate {
  readonly mean: number;
  readonly halfWidth95: number | null;
}

export type RunMetrics = Readonly<Partial<Record<MetricName, RunEstimate>>>;

/** `minimum` and `maximum` are of single runs. */
export interface MeasuredSide {
  readonly metrics: RunMetrics;
  readonly spread: Readonly<Partial<Record<MetricName, { minimum: number; maximum: number }>>>;
  readonly tasks: Readonly<Record<string, Readonly<Record<string, RunEstimate>>>>;
  readonly repeats: number;
  readonly backend: BackendName;
  readonly latencyCurve?: LatencyCurve;
  readonly gantt?: readonly GanttBar[];
  readonly health: HealthSummary;
  /** By task, of real models: their time alone between these runs, over that of calibration. */
  readonly pace?: Readonly<Record<string, number>>;
}

/** Whether the load generator and the host were fit to be judged, over all repeats. */
export interface HealthSummary {
  readonly healthy: boolean;
  readonly lateArrivalRatio: number;
  readonly latenessP99Ms: number;
  readonly eventLoopDelayP99Ms: number;
  /** Share of the processors that the hypervisor took; not there: the system does not tell. */
  readonly stealRatio?: number;
  /** Pauses beyond 2 ms that no thread's load explains, and their share of the time; not there: not watched. */
  readonly stalls?: { readonly longestMs: number; readonly ratio: number };
  readonly reasons: readonly string[];
  /** Of each run that was set aside, why; not there: no run was. */
  readonly setAside?: readonly string[];
}

/**
 * The 90% interval of an error against its tolerance: inside, outside, or across its edge. A
 * configuration disagrees if any judged metric does, and agrees if all do.
 */
export type Verdict = "agrees" | "disagrees" | "cannot tell";

export interface MetricJudgement {
  readonly verdict: Verdict;
  /** Of the error; null where there is none, as of one run. */
  readonly interval90: { readonly low: number; readonly high: number } | null;
  /** Why it cannot be told. */
  readonly reason?: string;
  /** Either of the two would settle it, from the variance seen; null: nothing feasible of its kind. */
  readonly settledBy?: { readonly runs: number | null; readonly secondsPerRun: number | null };
}

export interface ValidationResult extends ConfigurationResult {
  readonly predicted: RunMetrics;
  readonly measured: MeasuredSide;
  /** (predicted − measured) / measured, per judged metric. */
  readonly error: Readonly<Partial<Record<MetricName, number>>>;
  readonly tolerance: Readonly<Partial<Record<MetricName, number>>>;
  readonly judgements: Readonly<Partial<Record<MetricName, MetricJudgement>>>;
  readonly verdict: Verdict;
}

export interface ValidationDocument {
  readonly schema: "tandem/validation@2";
  readonly kind: "validation";
  readonly scenario: { readonly name: string; readonly digest: string };
  readonly seed: number;
  readonly command: string;
  readonly capacity?: LoadCapacity;
  readonly slo?: SloGoal;
  /** Of every swept path; absent in documents of earlier versions. */
  readonly parameterKinds?: ParameterKinds;
  /** About what all predictions are made of. */
  readonly notes?: readonly string[];
  readonly configurations: readonly ValidationResult[];
}
