/** The documents that simulate prints (`tandem/results@1`), and what other documents share with them. */
import type {
  ByMetric,
  IntervalMethod,
  LatencyCurve,
  MetricName,
  Metrics,
} from "../engine/metrics/figures.ts";
import type { Precision } from "../engine/metrics/stopping-rule.ts";
import type { Stability } from "../engine/stability/judge-stability.ts";
import type { Estimate } from "../engine/statistics/estimate.ts";
import type { PlacementByKind } from "../scenario/compile/placement.ts";
import type { LoadCapacity } from "../scenario/reading/files.ts";
import type { Parameter, ParameterKinds } from "../scenario/sweep/parameter-columns.ts";

/** Further simulations of a configuration, each with measured inputs as another calibration might have found them. */
export interface InputEffects {
  readonly draws: number;
  /** By input, its share of the variance that inputs give the first compared metric; largest first. */
  readonly shares: Readonly<Record<string, number>>;
  /** Changes of compared metrics by draw; the same draw of two configurations has the same inputs. */
  readonly deviations: ByMetric<readonly number[]>;
}

type TaskMetrics = Readonly<Record<string, Estimate>>;

/** The SLO of configurations: this share of requests within this time. */
export interface SloGoal {
  readonly latencyMs: number;
  /** In percent, as in a scenario: 99 means p99. */
  readonly percentile: number;
  /** Further bounds that hold together with the latency's, where a language model writes last. */
  readonly ttftMs?: number | undefined;
  readonly tpotMs?: number | undefined;
}

/** The 95% interval of the attainment against the SLO's percentile (`results/slo.ts`). */
export type SloState = "meets" | "misses" | "unclear";

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
  /** Set where the scenario has nodes. */
  readonly placement?: PlacementByKind;
  readonly latencyCurve?: LatencyCurve;
  readonly notes?: readonly string[];
  /** State of all SLOs together; absent without SLOs. */
  readonly slo?: SloState;
  readonly stability?: Stability;
  /** Load of the busiest station, by the traffic equations; at 1 and more it cannot keep up. */
  readonly offeredLoadRatio?: number;
  /** The warm-up that `warmupS: auto` found. */
  readonly warmupS?: number;
  /** Set when replications were added until intervals were narrow enough. */
  readonly precision?: Precision;
  /** Set for a single run; a metric that is absent has no interval. */
  readonly intervals?: ByMetric<IntervalMethod>;
  /** Compared metrics by replication, in order, for paired differences. */
  readonly samples?: ByMetric<readonly number[]>;
  /** Set where the doubt of measured inputs is known. */
  readonly inputs?: InputEffects;
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

interface ComparedMember {
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
  /** `adjustedP` is below 5%: the difference is not noise. The margin has no part in it. */
  readonly distinguishable: boolean;
}

/** The part that results and validations have in common. */
export interface DocumentHeader {
  readonly scenario: { readonly name: string; readonly digest: string };
  readonly seed: number;
  readonly command: string;
  readonly capacity?: LoadCapacity;
  /** Set when all pipelines share one SLO: reports draw it. */
  readonly slo?: SloGoal;
  /** Absent in documents of earlier versions. */
  readonly parameterKinds?: ParameterKinds;
  /** Notes on the inputs of all predictions. */
  readonly notes?: readonly string[];
}

export interface ResultsDocument extends DocumentHeader {
  readonly schema: "tandem/results@1";
  /** By pipeline, where they differ. */
  readonly slos?: Readonly<Record<string, SloGoal>>;
  /** Differences up to this share of the best's mean are ties. */
  readonly margin?: number;
  /** Schedulers by name, the simplest first: the order in which ties are named. */
  readonly simplestFirst?: readonly string[];
  readonly configurations: readonly ConfigurationResult[];
  readonly comparisons?: readonly Comparison[];
}
