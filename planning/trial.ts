/**
 * Whether a configuration keeps its goals: replications, until the 95% confidence interval of the
 * share of requests within the goal lies on one side of what is asked. What is still open in the
 * end counts as missed, for nothing shows that it is met.
 */
import type { RunSummary } from "../core/metrics/summary.ts";
import type { Estimate } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { judgeStability } from "../core/stability/judge-stability.ts";
import { estimate } from "../core/statistics/estimate.ts";
import { configurationLoad } from "../sim/configuration-load.ts";
import { withWarmUp } from "../sim/detect-warm-up.ts";
import { runReplication, type SimulationInputs } from "../sim/replication.ts";

/** So large a share of a pipeline's requests is to be answered within so long. */
export interface Goal {
  readonly pipeline: string;
  readonly latencyMs: number;
  /** 0.99 for a 99th percentile. */
  readonly share: number;
}

export interface Kept {
  readonly pipeline: string;
  /** Share of requests that ended within the goal. */
  readonly attainment: Estimate;
  readonly latencyP99Ms: Estimate | null;
}

export interface Trial {
  readonly meets: boolean;
  readonly replications: number;
  /** One a goal. */
  readonly kept: readonly Kept[];
  /** Mean cost of the machines that hosted replicas; null without prices. */
  readonly costPerHour: number | null;
}

/** Fewer tell little of their own spread. */
const FIRST_REPLICATIONS = 3;

export function goalsOf({ pipelines }: ScenarioDocument): readonly Goal[] {
  return Object.entries(pipelines).flatMap(([pipeline, { slo }]) =>
    slo === undefined ? [] : [{ pipeline, latencyMs: slo.latencyMs, share: slo.percentile / 100 }],
  );
}

/** At most `run.replications`, and 3 at the least. */
export function tryOut(
  scenario: ScenarioDocument,
  inputs: SimulationInputs,
  goals: readonly Goal[],
): Trial {
  const { document } = withWarmUp(scenario, inputs);
  const load = configurationLoad(document, inputs);
  const most = Math.max(FIRST_REPLICATIONS, document.run.replications);
  const summaries: RunSummary[] = [];
  let sides: readonly number[] = [];
  let isStable = true;
  while (summaries.length < most) {
    summaries.push(runReplication(document, inputs, summaries.length).summary);
    if (summaries.length < FIRST_REPLICATIONS) continue;
    isStable = judgeStability(document.workload, load, summaries).stability !== "unstable";
    sides = goals.map((goal) => sideOf(goal, summaries));
    if (!isStable || sides.some((side) => side < 0) || sides.every((side) => side > 0)) break;
  }
  return {
    meets: isStable && sides.every((side) => side > 0),
    replications: summaries.length,
    costPerHour: costOf(summaries),
    kept: goals.map(({ pipeline }) => ({
      pipeline,
      attainment: estimate(valuesOf(summaries, pipeline, "sloAttainmentRatio")),
      latencyP99Ms: latencyOf(summaries, pipeline),
    })),
  };
}

function costOf(summaries: readonly RunSummary[]): number | null {
  const costs = summaries.map(({ metrics }) => metrics.costPerHour ?? 0);
  const { mean } = estimate(costs);
  return mean > 0 ? mean : null;
}

/** 1: shown to be met; −1: shown to be missed; 0: open. */
function sideOf({ pipeline, share }: Goal, summaries: readonly RunSummary[]): number {
  const { mean, halfWidth95 } = estimate(valuesOf(summaries, pipeline, "sloAttainmentRatio"));
  if (mean - halfWidth95 >= share) return 1;
  return mean + halfWidth95 < share ? -1 : 0;
}

type Wanted = "sloAttainmentRatio" | "latencyP99Ms";

/** A pipeline has figures of its own where there are several; one without requests has none. */
function valuesOf(summaries: readonly RunSummary[], pipeline: string, name: Wanted): number[] {
  return summaries.map(({ pipelines, metrics }) => {
    const value = pipelines[pipeline] === undefined ? metrics[name] : pipelines[pipeline][name];
    return value ?? (name === "sloAttainmentRatio" ? 0 : Number.NaN);
  });
}

function latencyOf(summaries: readonly RunSummary[], pipeline: string): Estimate | null {
  const values = valuesOf(summaries, pipeline, "latencyP99Ms");
  return values.some(Number.isNaN) ? null : estimate(values);
}
