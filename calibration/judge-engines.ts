/**
 * Language models on a real engine: its worker tells how long iterations took, and what their profile says of the very same
 * ones. So runs are predicted at the host's pace, which a probe tells for other models.
 */
import { meanOf } from "../engine/statistics/estimate.ts";
import type { ValidationResult } from "../results/validation.ts";
import { poolsOf } from "../scenario/compile/placement.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { type JudgedBy, type JudgedRun, type Judgement, judge, signedPercent } from "./judge.ts";
import { percentMore } from "./judge-blocks.ts";
import { type PredictionPlan, predict } from "./predict.ts";
import type { RealRun } from "./real-runs.ts";

/** A quiet host's pace changes by less between a calibration and a run, and one that others share by less than the second (17% was seen). */
const [MOST_DRIFT, MOST_SEEN] = [0.15, 0.3];

type EngineRun = Pick<RealRun, "replication" | "summary">;

interface EnginePaces {
  /** By run, what the times of each pool's iterations are multiplied by; nothing where it is too much for a pace. */
  readonly paces: readonly Readonly<Record<string, number>>[];
  readonly iterations: NonNullable<ValidationResult["iterations"]>;
  readonly note: string;
  /** Why runs that are predicted well at this pace do not speak for the profile; null where they do. */
  readonly doubt: string | null;
}

/** Null where no run has an engine that runs for real. */
export function enginePaces(
  plan: PredictionPlan,
  runs: readonly EngineRun[],
  by: JudgedBy,
): EnginePaces | null {
  const ratios = runs.flatMap(({ summary }) => summary.metrics.iterationTimeRatio ?? []);
  if (runs.length === 0 || ratios.length < runs.length) return null;
  const ratio = meanOf(ratios);
  const { error: storedError } = judge(
    runs.map(({ replication, summary }) => ({
      predicted: predict(plan, replication).summary.metrics,
      measured: summary.metrics,
    })),
    by,
  );
  const took = `iterations took ${percentMore(ratio - 1)} than their step profile says`;
  const errors = Object.entries(storedError).map(([name, one]) => `${name} ${signedPercent(one)}`);
  const change = Math.abs(ratio - 1);
  const isPace = change <= MOST_SEEN;
  return {
    paces: ratios.map((one) => (isPace ? ofWriters(plan.document, one) : {})),
    iterations: { ratio, storedError },
    note: isPace
      ? `predicted at the host's pace now: ${took}; from the profile alone predictions are off by ${errors.join(", ")}`
      : `${took}: more than a host's pace changes, so the profile does not hold here; calibrate again`,
    doubt:
      isPace && change > MOST_DRIFT
        ? `${took}: the host's pace, or a profile of another machine; calibrate again`
        : null,
  };
}

/** Judges runs that were predicted at their own pace. A doubt takes away an agreement, and leaves a disagreement. */
export function judgeEngines(
  runs: readonly JudgedRun[],
  by: JudgedBy,
  doubt: string | null,
): Judgement {
  const judgement = judge(runs, by);
  if (doubt === null || judgement.verdict === "disagrees") return judgement;
  return judge(runs, { ...by, unfit: by.unfit ?? doubt });
}

/** By pool of a language model. */
function ofWriters({ pipelines, models }: ScenarioDocument, factor: number) {
  const pools = Object.values(pipelines).flatMap(({ tasks }) => poolsOf(tasks));
  const writers = pools.filter(({ model }) => models[model].tokens !== undefined);
  return Object.fromEntries(writers.map(({ pool }) => [pool, factor]));
}
