/** What a configuration costs: its price where prices tell configurations apart, else replicas. */
import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import { replicaCount } from "./parameters.ts";

export interface Cost {
  /** For an axis. */
  readonly title: string;
  /** After a number. */
  readonly unit: string;
  readonly of: (one: ConfigurationResult) => number | undefined;
}

export function costOf(document: ResultsDocument): Cost {
  const prices = document.configurations.map((one) => one.metrics.costPerHour?.mean ?? 0);
  const priced = prices.some((price) => price > 0);
  const counts = document.configurations.map(replicaCount);
  const counted = counts.every((count) => count !== undefined) && new Set(counts).size > 1;
  if (priced && !(counted && new Set(prices).size === 1)) {
    return {
      title: "cost per hour",
      unit: "per hour",
      of: (one) => one.metrics.costPerHour?.mean,
    };
  }
  return { title: "replicas", unit: "replicas", of: replicaCount };
}
