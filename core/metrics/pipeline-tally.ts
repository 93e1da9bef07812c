/** Requests of each pipeline, where there are several: their latencies and how they ended. */

import type { Outcome } from "../dispatch/driver.ts";
import { listOf } from "../list-of.ts";
import type { System } from "../system.ts";
import { LatencyStore } from "./latency-store.ts";

interface Tally {
  requests: number;
  withinGoal: number;
  lost: number;
  timedOut: number;
  /** Of those that completed. */
  readonly latencies: LatencyStore;
}

export class PipelineTally {
  declare private readonly names: readonly string[];
  declare private readonly hasGoal: readonly boolean[];
  declare private readonly tallies: readonly Tally[];
  declare private readonly warmupUs: number;

  /** Keeps so many latencies of each exactly; default: millions. */
  constructor({ pipelines }: System, warmupUs: number, mostExact?: number) {
    this.names = listOf(pipelines, ({ name }) => name);
    this.hasGoal = listOf(
      pipelines,
      ({ sloUs, deadlineMs }) => Number.isFinite(sloUs) || deadlineMs !== null,
    );
    this.warmupUs = warmupUs;
    this.tallies = listOf(pipelines, () => ({
      requests: 0,
      withinGoal: 0,
      lost: 0,
      timedOut: 0,
      latencies: new LatencyStore(mostExact),
    }));
  }

  ended(
    pipeline: number,
    outcome: Outcome,
    arrivedUs: number,
    latencyUs: number,
    goalUs: number,
  ): void {
    if (arrivedUs < this.warmupUs) return;
    const tally = this.tallies[pipeline];
    tally.requests++;
    if (outcome === "cancelled") tally.timedOut++;
    else if (outcome !== "completed") tally.lost++;
    if (outcome !== "completed") return;
    if (latencyUs <= goalUs) tally.withinGoal++;
    tally.latencies.add(latencyUs);
  }

  /** By pipeline and metric; the formulas are those of the run's own metrics of the same name. */
  metrics(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(this.names.map((name, id) => [name, this.metricsOf(id)]));
  }

  private metricsOf(id: number): Record<string, number> {
    const { requests, withinGoal, lost, timedOut, latencies } = this.tallies[id];
    if (requests === 0) return { requests };
    const share = (count: number): number => count / requests;
    return {
      requests,
      ...latencyMetrics(latencies),
      ...(this.hasGoal[id] ? { sloAttainmentRatio: share(withinGoal) } : {}),
      dropRatio: share(lost),
      timeoutRatio: share(timedOut),
    };
  }
}

function latencyMetrics(latencies: LatencyStore): Record<string, number> {
  if (latencies.count === 0) return {};
  const [p50, p95, p99] = latencies.quantilesUs([0.5, 0.95, 0.99]);
  return {
    latencyMeanMs: latencies.sumUs / latencies.count / 1000,
    latencyP50Ms: p50 / 1000,
    latencyP95Ms: p95 / 1000,
    latencyP99Ms: p99 / 1000,
  };
}
