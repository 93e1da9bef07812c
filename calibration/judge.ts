/** Predicted against measured: errors, and whether they are tolerable. */
import type { HealthSummary, MetricName, Metrics, Verdict } from "../core/results.ts";

export interface Judgement {
  /** (predicted − measured) / measured, per judged metric. */
  readonly error: Readonly<Partial<Record<MetricName, number>>>;
  readonly tolerance: Readonly<Partial<Record<MetricName, number>>>;
  readonly verdict: Verdict;
}

/** An unhealthy run is refused, whatever its errors: its figures are not the system's. */
export function judge(
  predicted: Metrics,
  measured: Metrics,
  tolerance: Readonly<Record<string, number>>,
  health: HealthSummary,
): Judgement {
  const error: Partial<Record<MetricName, number>> = {};
  for (const name of Object.keys(tolerance) as MetricName[]) {
    const predictedMean = predicted[name]?.mean;
    const measuredMean = measured[name]?.mean;
    if (predictedMean === undefined || measuredMean === undefined || measuredMean === 0) continue;
    error[name] = (predictedMean - measuredMean) / measuredMean;
  }
  return { error, tolerance, verdict: verdictOf(error, tolerance, health) };
}

function verdictOf(
  error: Readonly<Record<string, number>>,
  tolerance: Readonly<Record<string, number>>,
  health: HealthSummary,
): Verdict {
  if (!health.healthy) return "refused";
  const within = Object.entries(tolerance).every(
    ([name, limit]) => error[name] !== undefined && Math.abs(error[name]) <= limit,
  );
  return within ? "within tolerance" : "out of tolerance";
}
