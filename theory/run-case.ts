/** Runs a case and says how far from theory it is. */
import { Fault } from "../core/fault.ts";
import type { RunSummary } from "../core/metrics/summary.ts";
import { parseScenario } from "../core/scenario/parse.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { estimate, studentT975 } from "../core/statistics/estimate.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { runReplication } from "../sim/replication.ts";
import type { TheoryCase } from "./case.ts";

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
