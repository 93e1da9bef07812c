/**
 * One rule for results, reports and plans says whether a configuration keeps its SLOs: the
 * 95% interval of the attainment (the share of requests within the SLO) against the share wanted.
 *
 *   meets    all of the interval is at or above it
 *   misses   all of it is below, or the configuration is unstable: a longer run misses
 *   unclear  it straddles, or fewer than two runs show no interval
 *
 * The interval is Student's t over the runs. Where they agree exactly (no request late in any, as a
 * rule) t has the width 0, which is no certainty: then it is Wilson's, of all requests together, so
 * that an SLO of 99% takes at least 381 requests. Doubt of measured inputs widens it. A configuration meets its SLOs when every pipeline
 * meets its own.
 */

import type { RunSummary } from "../engine/metrics/summary.ts";
import type { Stability } from "../engine/stability/judge-stability.ts";
import { controlled } from "../engine/statistics/control-variates.ts";
import type { Estimate } from "../engine/statistics/estimate.ts";
import { estimate, type Interval, wilson95 } from "../engine/statistics/estimate.ts";
import type { Parts } from "../scenario/schema/scenario.ts";
import type { ResultsDocument, SloState } from "./documents.ts";
import { type DrawnRun, deviations, inputHalfWidth95, withChanges } from "./input-effects.ts";

/** A share of a pipeline's requests should be answered within a latency. */
export interface Goal {
  readonly pipeline: string;
  readonly latencyMs: number;
  /** 0.99 for a 99th percentile. */
  readonly share: number;
}

/** The part of a run that judging reads. */
export type SloRun = Pick<RunSummary, "counted" | "metrics" | "pipelines" | "controls">;

interface Attainment {
  /** NaN where no run had requests. */
  readonly estimate: Estimate;
  readonly requests: number;
  /** By draw of measured inputs. */
  readonly changes: readonly number[];
  /** Whether the runs had outages, but too few to correct their shares for them. */
  readonly hasFewOutages: boolean;
  readonly state: SloState;
}

export function goalsOf({ pipelines }: Parts<"pipelines">): readonly Goal[] {
  return Object.entries(pipelines).flatMap(([pipeline, { slo }]) =>
    slo === undefined ? [] : [{ pipeline, latencyMs: slo.latencyMs, share: slo.percentile / 100 }],
  );
}

/** SLOs as results documents show them: one where all pipelines share it, else by pipeline. */
export function goalsShown({
  pipelines,
}: Parts<"pipelines">): Pick<ResultsDocument, "slo" | "slos"> {
  const all = Object.entries(pipelines);
  const slos = all.flatMap(([name, { slo }]) => (slo === undefined ? [] : [[name, slo] as const]));
  if (slos.length === 0) return {};
  const [[, slo]] = slos;
  const shared = slos.length === all.length && new Set(slos.map(keyOf)).size === 1;
  return shared ? { slo } : { slos: Object.fromEntries(slos) };
}

function keyOf([, { latencyMs, percentile, ttftMs, tpotMs }]: readonly [
  string,
  ResultsDocument["slo"] & {},
]) {
  return [latencyMs, percentile, ttftMs, tpotMs].join("/");
}

/**
 * Over replications of one configuration; a run without the pipeline's requests says nothing of it. `drawn` are
 * those of the replications `runs`.
 */
export function attainmentOf(
  { pipeline, share }: Goal,
  runs: readonly SloRun[],
  drawn: readonly DrawnRun[] = [],
): Attainment {
  const values: number[] = [];
  let requests = 0;
  const known: (readonly number[])[] = [];
  for (const { pipelines, metrics, counted, controls = [] } of runs) {
    // A pipeline has figures of its own where there are several.
    const own = pipelines[pipeline] ?? { ...metrics, requests: counted };
    if (own.sloAttainmentRatio === undefined) continue;
    values.push(own.sloAttainmentRatio);
    known.push(controls);
    requests += own.requests;
  }
  const changes = deviations(drawn, runs, ({ pipelines, metrics }) => {
    return (pipelines[pipeline] ?? metrics).sloAttainmentRatio;
  });
  const sharper = controlled(values, known);
  const interval = intervalOf(sharper, requests, inputHalfWidth95(changes));
  const found = withChanges(estimate(sharper), changes);
  const hasFewOutages = sharper === values && known.some(({ length }) => length > 0);
  return { estimate: found, requests, changes, hasFewOutages, state: stateOf(share, interval) };
}

/** The state of all SLOs together. */
export function sloState(
  goals: readonly Goal[],
  runs: readonly SloRun[],
  stability: Stability,
  drawn: readonly DrawnRun[] = [],
): SloState {
  if (stability === "unstable") return "misses";
  const states = goals.map((goal) => attainmentOf(goal, runs, drawn).state);
  if (states.includes("misses")) return "misses";
  return states.includes("unclear") ? "unclear" : "meets";
}

/** `inputs`: the half width that the doubt of inputs adds, in squares. */
function intervalOf(values: readonly number[], requests: number, inputs: number): Interval | null {
  if (values.length < 2) return null;
  const { mean, halfWidth95 } = estimate(values);
  const isEqual = values.every((value) => value === values[0]);
  const { low, high } = isEqual
    ? wilson95(mean, requests)
    : { low: mean - halfWidth95, high: mean + halfWidth95 };
  if (inputs === 0) return { low, high };
  return {
    low: mean - Math.hypot(mean - low, inputs),
    high: mean + Math.hypot(high - mean, inputs),
  };
}

function stateOf(share: number, interval: Interval | null): SloState {
  if (interval === null) return "unclear";
  if (interval.low >= share) return "meets";
  return interval.high < share ? "misses" : "unclear";
}
