/**
 * Whether a configuration keeps its goals: replications, until it is clear that it meets or misses
 * them. An unclear one counts as missed in the end, for nothing shows that it meets.
 */
import type { RunSummary } from "../core/metrics/summary.ts";
import type { Estimate, SloState } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { attainmentOf, type Goal, sloState } from "../core/slo.ts";
import { judgeStability } from "../core/stability/judge-stability.ts";
import { estimate } from "../core/statistics/estimate.ts";
import { configurationLoad } from "../sim/configuration-load.ts";
import { withWarmUp } from "../sim/detect-warm-up.ts";
import { runReplication, type SimulationInputs } from "../sim/replication.ts";

interface Kept {
  readonly pipeline: string;
  /** Share of requests that ended within the goal. */
  readonly attainment: Estimate;
  readonly latencyP99Ms: Estimate | null;
}

export interface Trial {
  readonly meets: boolean;
  readonly replications: number;
  /** An entry for each goal. */
  readonly kept: readonly Kept[];
  /** Mean cost of the machines that hosted replicas; null without prices. */
  readonly costPerHour: number | null;
}

/** Fewer tell little of their own spread. */
const FIRST_REPLICATIONS = 3;

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
  let state: SloState = "unclear";
  while (summaries.length < most && state === "unclear") {
    summaries.push(runReplication(document, inputs, summaries.length).summary);
    if (summaries.length < FIRST_REPLICATIONS) continue;
    const { stability } = judgeStability(document.workload, load, summaries);
    state = sloState(goals, summaries, stability);
  }
  return {
    meets: state === "meets",
    replications: summaries.length,
    costPerHour: costOf(summaries),
    kept: goals.map((goal) => ({
      pipeline: goal.pipeline,
      attainment: attainmentOf(goal, summaries).estimate,
      latencyP99Ms: latencyOf(summaries, goal.pipeline),
    })),
  };
}

function costOf(summaries: readonly RunSummary[]): number | null {
  const costs = summaries.map(({ metrics }) => metrics.costPerHour ?? 0);
  const { mean } = estimate(costs);
  return mean > 0 ? mean : null;
}

/** Null where a replication has none: a pipeline has figures of its own where there are several. */
function latencyOf(summaries: readonly RunSummary[], pipeline: string): Estimate | null {
  const values = summaries.map(
    ({ pipelines, metrics }) => (pipelines[pipeline] ?? metrics).latencyP99Ms ?? Number.NaN,
  );
  return values.some(Number.isNaN) ? null : estimate(values);
}
