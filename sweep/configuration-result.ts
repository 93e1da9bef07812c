/** What one configuration's finished replications say together. */
import { aggregate } from "../core/metrics/aggregate.ts";
import type { RunSummary } from "../core/metrics/summary.ts";
import type { ConfigurationResult, MetricName } from "../core/results.ts";
import type { Configuration } from "../core/scenario/sweep.ts";
import { judgeStability } from "../core/stability/judge-stability.ts";
import type { Part } from "./configuration-work.ts";

export interface Kept {
  /** Metrics whose values by replication are kept for comparisons. */
  readonly metrics: readonly MetricName[];
  /** Of the first so many replications. */
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
  const { notes, ...aggregated } = aggregate(summaries);
  const { gantt, load } = parts[0];
  const growths = summaries.flatMap(({ growth }) => (growth === null ? [] : [growth]));
  const { stability, note } = judgeStability(document.workload, load, growths);
  const all = note === undefined ? notes : [...notes, note];
  return {
    id,
    parameters,
    ...aggregated,
    stability,
    ...(load === null ? {} : { offeredLoadRatio: load.ratio }),
    ...samplesOf(summaries, kept),
    ...(gantt.length > 0 ? { gantt } : {}),
    ...(all.length > 0 ? { notes: all } : {}),
  };
}

/** One replication alone is paired with nothing. */
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
