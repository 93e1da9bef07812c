/** Scenarios written short, and their replications, for tests through the public path. */
import type { RunSummary } from "../engine/metrics/summary.ts";
import type { TraceColumns } from "../scenario/reading/trace-columns.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { runReplication, type SimulationInputs } from "./replication.ts";

export const NO_INPUTS: SimulationInputs = { profiles: {}, traces: {} };

/** One task, `serve`, on one exponential replica of mean 10 ms; sections given replace these. */
export function scenarioOf(sections: Readonly<Record<string, unknown>>): ScenarioDocument {
  return scenarioSchema.parse({
    name: "test",
    pipelines: { p: { tasks: { serve: { model: "server" } } } },
    models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: { replicas: { serve: 1 } },
    workload: { arrivals: "poisson", ratePerS: 70, requests: 1000 },
    ...sections,
  });
}

/** A model with a deterministic service time; a batch takes as long as one job. */
export function fixedService(meanMs: number): unknown {
  return { service: { distribution: "deterministic", meanMs, batch: { marginal: 0 } } };
}

/** Summaries of replications 0 .. count − 1. */
export function replicate(
  document: ScenarioDocument,
  count: number,
  inputs: SimulationInputs = NO_INPUTS,
): RunSummary[] {
  return Array.from(
    { length: count },
    (_, replication) => runReplication(document, inputs, replication).summary,
  );
}

/** Runs one replication of requests that arrive at given instants, in a trace that may have more columns. */
export function runAt(
  arrivalsMs: readonly number[],
  sections: Readonly<Record<string, unknown>>,
  columns: TraceColumns = {},
): {
  readonly summary: RunSummary;
  readonly bars: readonly { start: number; end: number; replica: string; requests: string }[];
} {
  const workload = { arrivals: "trace", file: "times.csv", column: "t" };
  const document = scenarioOf({ workload, ...sections });
  const traces = { "times.csv": arrivalsMs.map((ms) => ms * 1000) };
  const inputs = { ...NO_INPUTS, traces, traceColumns: { "times.csv": columns } };
  const { summary, gantt } = runReplication(document, inputs, 0, { ganttBars: 1000 });
  const bars = gantt.map(({ startMs, endMs, replica, requests }) => ({
    start: startMs,
    end: endMs,
    replica,
    requests: requests.join(),
  }));
  return { summary, bars };
}

/** How many standard errors the mean of a sample lies from what is expected. */
export function zScore(sample: readonly number[], expected: number): number {
  const n = sample.length;
  const mean = sample.reduce((sum, value) => sum + value, 0) / n;
  const squares = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return (mean - expected) / Math.sqrt(squares / (n - 1) / n);
}
