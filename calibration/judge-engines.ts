/**
 * Language models on a real engine: its worker tells how long iterations took, and what their profile says of the very same
 * ones. So the simulator's own error is told from a profile that does not hold at the host's pace now.
 */
import type { MetricName } from "../engine/metrics/figures.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import type { MetricJudgement, ValidationResult } from "../results/validation.ts";
import { poolsOf } from "../scenario/compile/placement.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { type JudgedBy, type Judgement, judge, overallVerdict, signedPercent } from "./judge.ts";
import { percentMore } from "./judge-blocks.ts";
import { type PredictionPlan, predict } from "./predict.ts";
import type { RealRun } from "./real-runs.ts";

/** A host's pace changes by less between a calibration and a run; more speaks against the profile. */
const MOST_DRIFT = 0.1;

interface JudgedEngines extends Pick<ValidationResult, "iterations"> {
  readonly judgement: Judgement;
  readonly notes: readonly string[];
}

/**
 * A disagreement that goes away with the times that iterations took is none of the simulator's: it cannot be told from the
 * host's pace, within `MOST_DRIFT`. All else stays as it was judged.
 */
export function judgeEngines(
  plan: PredictionPlan,
  runs: readonly Pick<RealRun, "replication" | "summary">[],
  stored: Judgement,
  by: JudgedBy,
): JudgedEngines {
  const ratios = runs.flatMap(({ summary }) => summary.metrics.iterationTimeRatio ?? []);
  if (runs.length === 0 || ratios.length < runs.length) return { judgement: stored, notes: [] };
  const informed = runs.map(({ replication, summary }, i) => ({
    predicted: predict(plan, replication, ofWriters(plan.document, ratios[i])).summary.metrics,
    measured: summary.metrics,
  }));
  const own = judge(informed, by);
  const more = meanOf(ratios) - 1;
  const took = `iterations took ${percentMore(more)} than their step profile says`;
  const errorOf = (name: MetricName): string => signedPercent(own.error[name] ?? Number.NaN);
  const rejudged = (name: MetricName, judged: MetricJudgement): MetricJudgement => {
    const isOwn = own.judgements[name]?.verdict === "disagrees" || Math.abs(more) > MOST_DRIFT;
    if (judged.verdict !== "disagrees" || isOwn) return judged;
    const reason = `${took}: the host's pace, or a stale profile; with the times that they took the error is ${errorOf(name)}; calibrate again`;
    return { verdict: "cannot tell", interval90: judged.interval90, reason };
  };
  const entries = Object.entries(stored.judgements) as [MetricName, MetricJudgement][];
  const judgements = entries.map(([name, judged]) => [name, rejudged(name, judged)] as const);
  const errors = entries.map(([name]) => `${name} ${errorOf(name)}`).join(", ");
  return {
    judgement: {
      ...stored,
      judgements: Object.fromEntries(judgements),
      verdict: overallVerdict(judgements.map(([, { verdict }]) => verdict)),
    },
    iterations: { ratio: 1 + more, simulatorError: own.error },
    notes: [`${took}; with the times that they took, predictions are off by ${errors}`],
  };
}

/** By pool of a language model. */
function ofWriters({ pipelines, models }: ScenarioDocument, factor: number) {
  const pools = Object.values(pipelines).flatMap(({ tasks }) => poolsOf(tasks));
  const writers = pools.filter(({ model }) => models[model].tokens !== undefined);
  return Object.fromEntries(writers.map(({ pool }) => [pool, factor]));
}
