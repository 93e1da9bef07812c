/**
 * One configuration, simulated and run for real: the same document, arrivals, draws and scheduler
 * code on both sides, the real one repeated.
 */

import { type Deployment, startDeployment } from "../cluster/deployment.ts";
import { type MeasuredRun, measuredRun } from "../cluster/measured-run.ts";
import { compileSystem } from "../core/compile.ts";
import { aggregate } from "../core/metrics/aggregate.ts";
import type { RunSummary } from "../core/metrics/summary.ts";
import { replayLog } from "../core/replay.ts";
import type { HealthSummary, MeasuredSide, MetricName, ValidationResult } from "../core/results.ts";
import { RunLog } from "../core/run-log.ts";
import type { Configuration } from "../core/scenario/sweep.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, type SimulationInputs } from "../sim/replication.ts";
import { othersShare, sampleHost } from "./host-load.ts";
import { judge } from "./judge.ts";
import { predict } from "./predict.ts";

export interface ValidationPlan {
  readonly configuration: Configuration;
  readonly inputs: SimulationInputs;
  readonly backend: "onnx" | "replay";
  readonly repeats: number;
  readonly timeScale: number;
  /** Tolerated relative error by metric. */
  readonly tolerance: Readonly<Record<string, number>>;
  /** Payloads of a run's requests, request i sends entry i mod length. */
  readonly payloads: (seed: string) => readonly Uint8Array[];
  /** Called after each real run, healthy or not. */
  readonly onRun?: (run: MeasuredRun, healthyRuns: number) => void;
  readonly signal?: AbortSignal;
}

export interface ValidatedConfiguration {
  readonly result: ValidationResult;
  /** Decision logs of the healthy real runs. */
  readonly logs: readonly string[];
}

/** Share of the host's processors that other programs may use during a run. */
const MAX_OTHERS_SHARE = 0.1;

/** An unhealthy run is run again, at most as often as runs were asked for. */
export async function validateConfiguration(plan: ValidationPlan): Promise<ValidatedConfiguration> {
  const { configuration, backend, tolerance } = plan;
  const { healthy, unhealthy } = await realRuns(plan);
  const runs = healthy.length > 0 ? healthy : unhealthy;
  const predictions = runs.map(({ replication }) =>
    predict({ ...plan, document: configuration.document }, replication),
  );
  const predicted = aggregate(predictions.map((prediction) => prediction.summary));
  const health = overallHealth(healthy, unhealthy, plan.repeats);
  const measured = measuredSide(
    runs.map(({ run }) => run),
    backend,
    health,
  );
  const { notes: predictionNotes, ...figures } = predicted;
  const notes = [...predictionNotes, ...runs.flatMap((run) => replayNotes(plan, run))];
  const result: ValidationResult = {
    id: configuration.id,
    parameters: configuration.parameters,
    ...figures,
    ...(notes.length > 0 ? { notes } : {}),
    gantt: predictions[0].gantt,
    predicted: predicted.metrics,
    measured,
    ...judge(predicted.metrics, measured.metrics, tolerance, health),
  };
  return { result, logs: runs.map(({ run }) => run.log) };
}

interface NumberedRun {
  readonly replication: number;
  readonly run: MeasuredRun;
}

/** A real run's log must replay to the same decisions; says where it does not. */
function replayNotes(plan: ValidationPlan, { replication, run }: NumberedRun): string[] {
  const { document } = plan.configuration;
  const system = compileSystem(document, plan.inputs);
  const seed = replicationSeed(document.run.seed, replication);
  const scheduler = createScheduler(document.scheduler, system, seed);
  const { divergence } = replayLog(system, scheduler, RunLog.parse(run.log));
  if (divergence === null) return [];
  const { at, logged, replayed } = divergence;
  return [`decision replay differs at entry ${at}: logged ${logged}, replayed ${replayed}`];
}

async function realRuns(
  plan: ValidationPlan,
): Promise<{ healthy: NumberedRun[]; unhealthy: NumberedRun[] }> {
  const { document } = plan.configuration;
  const healthy: NumberedRun[] = [];
  const unhealthy: NumberedRun[] = [];
  const deployment = await startDeployment({
    document,
    inputs: plan.inputs,
    backend: plan.backend,
    seed: replicationSeed(document.run.seed, 0),
    timeScale: plan.timeScale,
  });
  try {
    while (healthy.length < plan.repeats && unhealthy.length < plan.repeats) {
      if (plan.signal?.aborted === true) break;
      const replication = healthy.length;
      const run = await realRun(plan, deployment, replication);
      (run.health.healthy ? healthy : unhealthy).push({ replication, run });
      plan.onRun?.(run, healthy.length);
    }
  } finally {
    await deployment.stop();
  }
  return { healthy, unhealthy };
}

async function realRun(
  plan: ValidationPlan,
  deployment: Deployment,
  replication: number,
): Promise<MeasuredRun> {
  const { document } = plan.configuration;
  const seed = replicationSeed(document.run.seed, replication);
  const payloads = plan.payloads(seed);
  const workers = deployment.workers.map(({ pid }) => pid);
  const pids = [...new Set([process.pid, deployment.gateway.pid, ...workers])];
  const before = sampleHost(pids);
  const run = await measuredRun(deployment, {
    document,
    inputs: plan.inputs,
    seed,
    payloads,
    timeScale: plan.timeScale,
  });
  const after = sampleHost(pids);
  if (before === null || after === null) return run;
  return { ...run, health: withHost(run.health, othersShare(before, after, run.load.cpuUs)) };
}

function withHost(health: HealthSummary, others: number): HealthSummary {
  if (others <= MAX_OTHERS_SHARE) return health;
  const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
  const reason = `other programs used ${percent(others)} of the host's processors (limit ${percent(MAX_OTHERS_SHARE)})`;
  return { ...health, healthy: false, reasons: [...health.reasons, reason] };
}

function overallHealth(
  healthy: readonly NumberedRun[],
  unhealthy: readonly NumberedRun[],
  repeats: number,
): HealthSummary {
  const kept = healthy.length >= repeats ? healthy : [...healthy, ...unhealthy];
  const of = (value: (health: HealthSummary) => number): number =>
    Math.max(...kept.map(({ run }) => value(run.health)));
  const discarded = unhealthy.map(({ run }) => run.health.reasons.join("; "));
  return {
    healthy: healthy.length >= repeats,
    lateArrivalRatio: of((health) => health.lateArrivalRatio),
    latenessP99Ms: of((health) => health.latenessP99Ms),
    eventLoopDelayP99Ms: of((health) => health.eventLoopDelayP99Ms),
    reasons: discarded.map((reason) => `a run was set aside: ${reason}`),
  };
}

function measuredSide(
  runs: readonly MeasuredRun[],
  backend: "onnx" | "replay",
  health: HealthSummary,
): MeasuredSide {
  const summaries = runs.map((run) => run.summary);
  const { metrics, tasks, latencyCurve, replications } = aggregate(summaries);
  return {
    metrics,
    spread: spreadOf(summaries),
    tasks,
    repeats: replications,
    backend,
    ...(latencyCurve === undefined ? {} : { latencyCurve }),
    gantt: runs[0].gantt,
    health,
  };
}

function spreadOf(summaries: readonly RunSummary[]): MeasuredSide["spread"] {
  const names = Object.keys(summaries[0].metrics) as MetricName[];
  return Object.fromEntries(
    names.map((name) => {
      const values = summaries.map((summary) => summary.metrics[name] ?? 0);
      return [name, { minimum: Math.min(...values), maximum: Math.max(...values) }];
    }),
  );
}
