/**
 * A case: a scenario as a user writes it, and the figures that theory gives for it exactly. Every
 * scenario's mean service time is around 10 ms, so that whole microseconds round nothing away. `runCase` runs it, and says how far from theory it is.
 */
import { Fault } from "../engine/basics/fault.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { estimate, studentT975 } from "../engine/statistics/estimate.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { runReplication } from "../sim/replication.ts";

/** A section of a scenario as a user writes it. */
export type Section = Readonly<Record<string, unknown>>;

export interface TheoryCase {
  /** Unique among all cases. */
  readonly name: string;
  readonly scenario: Section;
  /** Exact values by figure: a metric, or `name.metric` for one of a task's or a pipeline's. */
  readonly exact: Readonly<Record<string, number>>;
}

export interface Family {
  readonly title: string;
  /** Source of the exact values. */
  readonly source: string;
  readonly cases: readonly TheoryCase[];
}

/** Share of the measured window that a run is given to forget that it started empty. */
const WARM_UP = 0.01;

export function exponential(meanMs: number): Section {
  return { service: { distribution: "exponential", meanMs } };
}

export function deterministic(meanMs: number): Section {
  return { service: { distribution: "deterministic", meanMs } };
}

/** Arrivals of any kind of renewal process, about `requests` of them in the measured window. */
export function open(
  ratePerS: number,
  requests: number,
  gaps: Section = { arrivals: "poisson" },
): Section {
  return { ...gaps, ratePerS, ...span(requests / ratePerS) };
}

/** `clients` that pause for `thinkMs`, over a measured window of `seconds`. */
export function closed(clients: number, thinkMs: number, seconds: number): Section {
  return { arrivals: "closed", clients, thinkMs, ...span(seconds) };
}

/** The extent of a workload with so many seconds in its measured window. */
export function span(seconds: number): { durationS: number; warmupS: number } {
  const warmupS = Math.ceil(seconds * WARM_UP);
  return { durationS: Math.ceil(seconds) + warmupS, warmupS };
}

/** One pipeline of these tasks, each with its replicas. */
export function pipelineOf(
  tasks: Readonly<Record<string, Section & { readonly replicas: number }>>,
  models: Section,
  workload: Section,
): Section {
  const each = Object.entries(tasks).map(([name, { replicas, ...task }]) => ({
    name,
    replicas,
    task,
  }));
  return {
    name: "theory",
    pipelines: { p: { tasks: Object.fromEntries(each.map(({ name, task }) => [name, task])) } },
    models,
    cluster: { replicas: Object.fromEntries(each.map(({ name, replicas }) => [name, replicas])) },
    workload,
  };
}

/** A task `serve` on one exponential replica of mean 10 ms, with the given sections in place of these. */
export function queue({
  workload,
  server = exponential(10),
  replicas = 1,
  scheduler = "fifo",
  cluster,
}: {
  readonly workload: Section;
  readonly server?: Section;
  readonly replicas?: number;
  readonly scheduler?: unknown;
  readonly cluster?: Section;
}): Section {
  return {
    name: "queue",
    pipelines: { queue: { tasks: { serve: { model: "server" } } } },
    models: { server },
    cluster: { replicas: { serve: replicas }, ...cluster },
    scheduler,
    workload,
  };
}

export interface Finding {
  readonly figure: string;
  readonly exact: number;
  readonly mean: number;
  readonly halfWidth95: number;
  /** Standard errors from the exact value, as of a normal law. */
  readonly z: number;
}

/** Replications 0 .. count − 1 of a seed. */
export function runCase(theory: TheoryCase, seed: number, count: number): Finding[] {
  const document = documentOf(theory, seed);
  const inputs = { profiles: {}, traces: {} };
  const runs = Array.from({ length: count }, (_, i) => runReplication(document, inputs, i).summary);
  return Object.entries(theory.exact).map(([figure, exact]) => {
    const { mean, halfWidth95 } = estimate(valuesOf(runs, figure));
    const t = ((mean - exact) / halfWidth95) * studentT975(count - 1);
    const same = halfWidth95 === 0 && Math.abs(mean - exact) < 1e-9 * Math.abs(exact);
    return { figure, exact, mean, halfWidth95, z: same ? 0 : normalScore(t, count - 1) };
  });
}

/** The case's scenario through the parser and all checks, as the command line reads it. */
export function documentOf(theory: TheoryCase, seed: number): ScenarioDocument {
  const text = JSON.stringify({ ...theory.scenario, run: { seed } });
  const readFile = (path: string): string => {
    throw new Fault("not-found", `theory's scenarios stand alone, this one names ${path}`);
  };
  return parseScenario(text, theory.name, readFile, {}, { checkScheduler }).document;
}

function valuesOf(runs: readonly RunSummary[], figure: string): number[] {
  const at = figure.lastIndexOf(".");
  const name = figure.slice(0, Math.max(0, at));
  return runs.map(({ metrics, tasks, pipelines }) => {
    const found: Readonly<Record<string, number>> =
      at < 0 ? metrics : (tasks[name] ?? pipelines[name]);
    return found[figure.slice(at + 1)] ?? Number.NaN;
  });
}

/**
 * The standard normal value that is as improbable as Student's t with so many degrees of freedom:
 * few replications must not make |z| >= 3 more frequent than 0.27%.
 * Source: Wallace, "Bounds on normal approximations to Student's and the chi-square
 * distributions", Annals of Mathematical Statistics 30(4), 1959.
 */
export function normalScore(t: number, freedom: number): number {
  const size = Math.sqrt(freedom * Math.log1p((t * t) / freedom));
  return (Math.sign(t) * size * (8 * freedom + 1)) / (8 * freedom + 3);
}
