/** Requests of each pipeline, where there are several: their latencies and how they ended. */
import type { Outcome } from "../dispatch/driver.ts";
import { grown } from "../dispatch/request-table.ts";
import { selectQuantile } from "../statistics/quantile.ts";
import type { System } from "../system.ts";

interface Tally {
  requests: number;
  withinGoal: number;
  lost: number;
  timedOut: number;
  latenciesUs: Float64Array;
  completed: number;
}

export class PipelineTally {
  readonly #names: readonly string[];
  readonly #hasGoal: readonly boolean[];
  readonly #tallies: readonly Tally[];
  readonly #warmupUs: number;

  constructor({ pipelines }: System, warmupUs: number) {
    this.#names = pipelines.map(({ name }) => name);
    this.#hasGoal = pipelines.map(
      ({ sloUs, deadlineMs }) => Number.isFinite(sloUs) || deadlineMs !== null,
    );
    this.#warmupUs = warmupUs;
    this.#tallies = pipelines.map(() => ({
      requests: 0,
      withinGoal: 0,
      lost: 0,
      timedOut: 0,
      latenciesUs: new Float64Array(256),
      completed: 0,
    }));
  }

  ended(
    pipeline: number,
    outcome: Outcome,
    arrivedUs: number,
    latencyUs: number,
    goalUs: number,
  ): void {
    if (arrivedUs < this.#warmupUs) return;
    const tally = this.#tallies[pipeline];
    tally.requests++;
    if (outcome === "cancelled") tally.timedOut++;
    else if (outcome !== "completed") tally.lost++;
    if (outcome !== "completed") return;
    if (latencyUs <= goalUs) tally.withinGoal++;
    if (tally.completed === tally.latenciesUs.length) {
      tally.latenciesUs = grown(tally.latenciesUs, new Float64Array(tally.completed * 2));
    }
    tally.latenciesUs[tally.completed++] = latencyUs;
  }

  /** By pipeline and metric; the formulas are those of the run's own metrics of the same name. */
  metrics(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(this.#names.map((name, id) => [name, this.#metricsOf(id)]));
  }

  #metricsOf(id: number): Record<string, number> {
    const { requests, withinGoal, lost, timedOut, latenciesUs, completed } = this.#tallies[id];
    const share = (count: number): number => count / Math.max(1, requests);
    const latencies = latenciesUs.subarray(0, completed);
    const atMs = (at: number): number => selectQuantile(latencies, at) / 1000;
    return {
      requests,
      ...(completed === 0
        ? {}
        : {
            latencyMeanMs: latencies.reduce((sum, us) => sum + us, 0) / completed / 1000,
            latencyP50Ms: atMs(0.5),
            latencyP95Ms: atMs(0.95),
            latencyP99Ms: atMs(0.99),
          }),
      ...(this.#hasGoal[id] ? { sloAttainmentRatio: share(withinGoal) } : {}),
      dropRatio: share(lost),
      timeoutRatio: share(timedOut),
    };
  }
}
