/**
 * How far the doubt of measured inputs reaches into the figures of a configuration. A replication is simulated again
 * with drawn inputs on the same seed, so the change of a figure is the inputs' alone. Half widths of the two parts
 * add in squares: Zou & Donner, Statistics in Medicine 27(10), 2008.
 */

import type { MetricName } from "../engine/metrics/figures.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import type { Estimate } from "../engine/statistics/estimate.ts";
import { studentT, sumOf } from "../engine/statistics/estimate.ts";
import { solve } from "../engine/statistics/linear-system.ts";
import type { MeasuredInputs } from "../scenario/compile/compile.ts";
import { hasDoubt } from "../scenario/compile/input-draws.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { ConfigurationResult, InputEffects } from "./documents.ts";

/** A replication with the drawn inputs of one draw. */
export interface DrawnRun {
  readonly replication: number;
  readonly logFactors: Readonly<Record<string, number>>;
  readonly figures: RunFigures;
}

/** The part of a run that draws change. */
export type RunFigures = Pick<RunSummary, "metrics" | "tasks" | "pipelines" | "shareMs">;

const DRAWS_A_REPLICATION = 3;
const DRAWN_REPLICATIONS = 8;

/**
 * Draws to simulate a replication with, beside the inputs as measured. They depend on its number alone, so that more
 * replications change none, and cost at most three times as much again.
 */
export function drawsOf(
  { run }: Pick<ScenarioDocument, "run">,
  inputs: MeasuredInputs,
  replication: number,
): readonly number[] {
  if (replication >= DRAWN_REPLICATIONS || run.inputs === "fixed" || !hasDoubt(inputs)) return [];
  const first = replication * DRAWS_A_REPLICATION;
  return Array.from({ length: DRAWS_A_REPLICATION }, (_, i) => first + i);
}

/** Changes of one figure by draw, those of draws without it left out. */
export function deviations<Run>(
  drawn: readonly DrawnRun[],
  runs: readonly Run[],
  figureOf: (run: Run | RunFigures) => number | undefined,
): readonly number[] {
  return drawn.flatMap(({ replication, figures }) => {
    const [then, now] = [figureOf(runs[replication]), figureOf(figures)];
    return then === undefined || now === undefined ? [] : [now - then];
  });
}

/**
 * Half width of the inputs' part, about 0: a change of the mean is part of the doubt. 0 without draws. `tail`: the
 * probability that it is more, on each side.
 */
export function inputHalfWidth(changes: readonly number[], tail: number): number {
  const { length } = changes;
  if (length === 0) return 0;
  return studentT(length, tail) * Math.sqrt(sumOf(changes.map((one) => one * one)) / length);
}

export function inputHalfWidth95(changes: readonly number[]): number {
  return inputHalfWidth(changes, 0.025);
}

/** An estimate of the simulation alone with the inputs' part in it. */
export function withChanges({ mean, halfWidth95 }: Estimate, changes: readonly number[]): Estimate {
  const inputs = inputHalfWidth95(changes);
  if (inputs === 0) return { mean, halfWidth95 };
  const parts = { simulation: halfWidth95, inputs };
  return { mean, halfWidth95: Math.hypot(halfWidth95, inputs), parts };
}

type Estimated = Pick<ConfigurationResult, "metrics" | "tasks" | "pipelines">;

/** Estimates of the simulation alone with the inputs' part in each. */
export function withInputs<E extends Estimated>(
  estimated: E,
  drawn: readonly DrawnRun[],
  runs: readonly RunFigures[],
): E {
  if (drawn.length === 0) return estimated;
  const widened = (
    estimates: Readonly<Record<string, Estimate>>,
    figuresOf: (run: RunFigures) => Readonly<Record<string, number>> | undefined,
  ) =>
    Object.fromEntries(
      Object.entries(estimates).map(([name, one]): [string, Estimate] => {
        return [
          name,
          withChanges(
            one,
            deviations(drawn, runs, (run) => figuresOf(run)?.[name]),
          ),
        ];
      }),
    );
  const named = (kind: "tasks" | "pipelines") =>
    Object.fromEntries(
      Object.entries(estimated[kind] ?? {}).map(([name, own]) => [
        name,
        widened(own, (run) => run[kind][name]),
      ]),
    );
  return {
    ...estimated,
    metrics: widened(estimated.metrics, ({ metrics }) => metrics),
    tasks: named("tasks"),
    ...(estimated.pipelines === undefined ? {} : { pipelines: named("pipelines") }),
  };
}

/** Undefined without draws. `metrics` are those that comparisons are made of; shares are of the first. */
export function inputEffects(
  metrics: readonly MetricName[],
  drawn: readonly DrawnRun[],
  runs: readonly RunFigures[],
): InputEffects | undefined {
  if (drawn.length === 0) return undefined;
  const changes = metrics.map((name) => deviations(drawn, runs, (run) => run.metrics[name]));
  const whole = changes.map((own) => own.length === drawn.length);
  return {
    draws: drawn.length,
    shares: whole[0]
      ? sharesOf(
          drawn.map((one) => one.logFactors),
          changes[0],
        )
      : {},
    deviations: Object.fromEntries(
      metrics.flatMap((name, i) => (whole[i] ? [[name, changes[i]]] : [])),
    ),
  };
}

/** Keeps the regression solvable where two inputs always change together. */
const RIDGE = 1e-6;

/**
 * Each input's share of the changes' variance, largest first, by least squares on the logarithms of its factors.
 * Empty of fewer draws than the regression needs.
 * Source: Song & Nelson, "Quickly assessing contributions to input uncertainty", IIE Transactions 47(9), 2015.
 */
export function sharesOf(
  logFactors: readonly Readonly<Record<string, number>>[],
  changes: readonly number[],
): Readonly<Record<string, number>> {
  const names = Object.keys(logFactors[0]).filter((name) => logFactors.some((one) => one[name]));
  if (changes.length <= names.length) return {};
  const columns = names.map((name) => logFactors.map((one) => one[name]));
  const dot = (a: readonly number[], b: readonly number[]) => sumOf(a.map((one, i) => one * b[i]));
  const rows = columns.map((a, i) => [
    ...columns.map((b, j) => dot(a, b) * (i === j ? 1 + RIDGE : 1)),
    dot(a, changes),
  ]);
  const slopes = solve(rows, 0) ?? [];
  const parts = columns.map((column, i) => Math.max(0, slopes[i] * dot(column, changes)));
  const all = sumOf(parts);
  if (!(all > 0)) return {};
  const shares = names.map((name, i): [string, number] => [name, parts[i] / all]);
  return Object.fromEntries(shares.sort(([, a], [, b]) => b - a));
}
