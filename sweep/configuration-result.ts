/** The result of one configuration from its finished replications, and whether it needs more of them. */
import { isSpanned } from "../engine/arrivals/arrival-source.ts";
import type { MetricName } from "../engine/metrics/figures.ts";
import type { Precision } from "../engine/metrics/stopping-rule.ts";
import {
  FIRST_ROUND,
  type MetricValues,
  nextReplications,
  precisionOf,
} from "../engine/metrics/stopping-rule.ts";
import { aggregate, type RunSummary } from "../engine/metrics/summary.ts";
import { judgeStability } from "../engine/stability/judge-stability.ts";
import type { OfferedLoad } from "../engine/stability/offered-load.ts";
import type { ConfigurationResult } from "../results/documents.ts";
import { type DrawnRun, inputEffects, withInputs } from "../results/input-effects.ts";
import { goalsOf, sloState } from "../results/slo.ts";
import { stoppingRule } from "../scenario/checks/checks.ts";
import { placementByNode } from "../scenario/compile/placement.ts";
import type { Configuration } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { WarmUp } from "../sim/replication.ts";

/** Some replications of one configuration, in order. */
export interface Part {
  readonly summaries: readonly RunSummary[];
  /** Of these replications, by draw. */
  readonly drawn: readonly DrawnRun[];
  /** Only of replication 0. */
  /** From the traffic equations; of the part with replication 0 only. */
  readonly load: OfferedLoad | null;
  /** Where the scenario leaves the warm-up to be found. */
  readonly warmUp?: WarmUp;
}

export interface Kept {
  /** Metrics whose values by replication are kept for comparisons. */
  readonly metrics: readonly MetricName[];
  /** Values are kept of the first so many replications. */
  readonly replications: number;
}

/** `parts` are in order of replication, from replication 0, and not empty. */
export function configurationResult(
  configuration: Configuration,
  parts: readonly Part[],
  kept: Kept,
): ConfigurationResult {
  const { id, parameters, document } = configuration;
  const summaries = parts.flatMap((part) => part.summaries);
  const drawn = parts.flatMap((part) => part.drawn);
  const { notes, ...simulated } = aggregate(summaries);
  const aggregated = withInputs(simulated, drawn, summaries);
  const inputs = inputEffects(kept.metrics, drawn, summaries);
  const { load, warmUp } = parts[0];
  const { stability, note } = judgeStability(document.workload, load, summaries);
  const goals = goalsOf(document);
  const rule = stoppingRule(document.run);
  const precision = rule === null ? undefined : precisionOf(valuesOf(summaries), rule);
  const all = [
    ...notes,
    ...(note === undefined ? [] : [note]),
    ...shortRunNotes(document, summaries),
    ...warmUpNotes(warmUp),
    ...missedNotes(precision, summaries),
  ];
  return {
    id,
    parameters,
    ...aggregated,
    ...(goals.length === 0 ? {} : { slo: sloState(goals, summaries, stability, drawn) }),
    ...placementByNode(document),
    stability,
    ...(warmUp === undefined ? {} : { warmupS: warmUp.seconds }),
    ...(precision === undefined ? {} : { precision }),
    ...(load === null ? {} : { offeredLoadRatio: load.ratio }),
    ...samplesOf(summaries, kept),
    ...(inputs === undefined ? {} : { inputs }),
    ...(all.length > 0 ? { notes: all } : {}),
  };
}

/** Replications of the first round; of all, unless the scenario says until when to go on. */
export function firstReplications(run: ScenarioDocument["run"]): number {
  const rule = stoppingRule(run);
  if (rule === null) return run.replications;
  return Math.min(Math.max(run.replications, FIRST_ROUND), rule.maxReplications);
}

/** The number of replications to run after `parts`: more only while the stopping rule asks for them. */
export function wantedReplications(document: ScenarioDocument, parts: readonly Part[]): number {
  const summaries = parts.flatMap((part) => part.summaries);
  const rule = stoppingRule(document.run);
  if (rule === null) return summaries.length;
  const { stability } = judgeStability(document.workload, parts[0].load, summaries);
  // A queue that grows on has no steady state to estimate.
  if (stability === "unstable") return summaries.length;
  return nextReplications(summaries.length, valuesOf(summaries), rule);
}

/** A metric's values in order of replication; undefined where one has none. */
function valuesOf(summaries: readonly RunSummary[]): MetricValues {
  return (name) => {
    const values = summaries.map((summary) => summary.metrics[name]);
    return values.every((value) => value !== undefined) ? values : undefined;
  };
}

/** Below so many requests a run its own p99 is biased: fewer than fifty lie above it. */
const FEW_FOR_P99 = 5000;

/** A burst's p99 is that of the burst, so none is too short. */
function shortRunNotes(
  { workload }: ScenarioDocument,
  summaries: readonly RunSummary[],
): readonly string[] {
  const counted = Math.min(...summaries.map((summary) => summary.counted));
  if (counted === 0) return ["no request in the measured window of a replication: run longer"];
  if (!isSpanned(workload) || counted >= FEW_FOR_P99) return [];
  return [`p99 rests on runs of fewer than ${FEW_FOR_P99} requests: its interval is too narrow`];
}

function warmUpNotes(warmUp: WarmUp | undefined): readonly string[] {
  if (warmUp === undefined) return [];
  const { seconds, settled } = warmUp;
  if (settled) return [`warm-up of ${seconds} s found by MSER-5`];
  return [
    `no steady state within the first half of the run: warm-up cut at ${seconds} s; run longer`,
  ];
}

function missedNotes(
  precision: Precision | undefined,
  summaries: readonly RunSummary[],
): readonly string[] {
  if (precision === undefined || precision.missed.length === 0) return [];
  const texts = precision.missed.map((name) => {
    const width = precision.relativeHalfWidths[name];
    return width == null ? `${name} has no value` : `${name} ±${(100 * width).toFixed(1)}%`;
  });
  const target = `±${(100 * precision.target).toFixed(1)}%`;
  return [`not within ${target} after ${summaries.length} replications: ${texts.join(", ")}`];
}

/** None for a single replication: it is paired with nothing. */
function samplesOf(
  summaries: readonly RunSummary[],
  { metrics, replications }: Kept,
): Pick<ConfigurationResult, "samples"> {
  const first = summaries.slice(0, replications);
  const entries = metrics.flatMap((name) => {
    const values = first.map((summary) => summary.metrics[name]);
    return values.every((value) => value !== undefined) ? [[name, values]] : [];
  });
  if (first.length < 2 || entries.length === 0) return {};
  return { samples: Object.fromEntries(entries) };
}

/** Numbers kept for comparisons, over all configurations: 32 MB. */
const MOST_KEPT = 4_000_000;
const FEWEST_REPLICATIONS = 32;
const MOST_REPLICATIONS = 1000;

/** How many replications' values a sweep of so many configurations keeps. */
export function keptReplications(configurations: number, metrics: number): number {
  const share = Math.floor(MOST_KEPT / Math.max(1, configurations * metrics));
  return Math.max(FEWEST_REPLICATIONS, Math.min(MOST_REPLICATIONS, share));
}
