/** Simulates a configuration and runs it for real, repeatedly, with the same arrivals, draws and scheduler code. */

import { expectedSeconds, givenWarmupS } from "../engine/arrivals/arrival-source.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import type { MetricName } from "../engine/metrics/figures.ts";
import { aggregate, type RunSummary } from "../engine/metrics/summary.ts";
import { type ReplayResult, replayLog } from "../engine/record/replay.ts";
import { type Estimate, meanOf } from "../engine/statistics/estimate.ts";
import { type DrawnRun, drawsOf, withInputs } from "../results/input-effects.ts";
import type {
  BlockJudgement,
  BlockResult,
  HealthSummary,
  MeasuredSide,
  RunEstimate,
  ValidationResult,
} from "../results/validation.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { drawnInputs } from "../scenario/compile/input-draws.ts";
import { placementByNode } from "../scenario/compile/placement.ts";
import type { Configuration } from "../scenario/expand-sweep.ts";
import type { BackendName } from "../scenario/schema/run.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed } from "../sim/replication.ts";
import { judgeRuns, lookError, looksOf } from "./blocks.ts";
import type { ConfigurationEvidence, RunEvidence } from "./explain.ts";
import { LEAST_RUNS } from "./judge.ts";
import { type Block, percentMore } from "./judge-blocks.ts";
import { enginePaces, judgeEngines } from "./judge-engines.ts";
import { judgeSimulator } from "./judge-simulator.ts";
import { messageCosts } from "./message-costs.ts";
import type { MessageCosts } from "./paced-messages.ts";
import { predict } from "./predict.ts";
import {
  cutNote,
  type MeasuredBracket,
  overallHealth,
  type RealRun,
  type RealRunPlan,
  type RealRuns,
  realRuns,
  unfitness,
} from "./real-runs.ts";

interface ValidationPlan extends Omit<RealRunPlan, "document"> {
  readonly configuration: Configuration;
  readonly tolerance: Readonly<Record<string, number>>;
  /** Why no verdict may rest on the inputs; null: nothing speaks against them. */
  readonly doubt?: string | null;
  /** Called after each block of real models with the judgement so far. */
  readonly onJudgement?: (judgement: BlockJudgement) => void;
}

export interface ValidatedConfiguration {
  readonly result: ValidationResult;
  /** Decision logs of the real runs that count. */
  readonly logs: readonly string[];
  readonly evidence: ConfigurationEvidence;
}

export async function validateConfiguration(plan: ValidationPlan): Promise<ValidatedConfiguration> {
  const { configuration, backend, repeats, timeScale } = plan;
  const { document, id, parameters } = configuration;
  const predictionPlan = { ...plan, document };
  const judging = plan.bracket === undefined ? null : blockJudging(plan);
  const all = await realRuns({ ...plan, ...judging?.course, document });
  const runs = all.healthy.length > 0 ? all.healthy : all.unhealthy;
  const health = overallHealth(all, repeats);
  const replays = runs.map((run) => replayed(plan, run));
  const failure = replays.map((one) => one.failure).find((one) => one !== null);
  const failed =
    failure === undefined ? null : `fifo took over from a scheduler that failed: ${failure}`;
  const unfit =
    failed ?? unfitness(all, judging === null ? repeats : LEAST_RUNS) ?? plan.doubt ?? null;
  const told = judging?.result(runs, all.brackets, unfit);
  const { workload } = document;
  const [runSeconds, warmupS] = [expectedSeconds(workload), givenWarmupS(workload)];
  const by = { tolerance: plan.tolerance, unfit, runSeconds, warmupS };
  const engines = told === undefined ? enginePaces(predictionPlan, runs, by) : null;
  const paces = told?.paces ?? engines?.paces ?? runs.map(() => ({}));
  const predictions = runs.map((run, i) => predict(predictionPlan, run.replication, paces[i]));
  const simulated = predictions.map((one) => one.summary);
  // Replayed times are the profile's own, so they leave no doubt.
  const drawn = backend === "replay" ? [] : drawnPredictions(predictionPlan, runs, paces);
  const { notes: predictionNotes, ...aggregated } = aggregate(simulated);
  const predicted = withInputs(aggregated, drawn, simulated);
  const judged = runs.map(({ summary }, i) => ({
    predicted: predictions[i].summary.metrics,
    measured: summary.metrics,
  }));
  const { judgement, blocks } = told ?? {
    judgement: judgeEngines(judged, by, engines?.doubt ?? null),
    blocks: {},
  };
  const evidence = runs.map((run) => runEvidence(run, document, timeScale));
  const traced = runs.map(({ summary, log }, i) => ({
    evidence: evidence[i],
    measured: summary.metrics,
    log,
  }));
  const simulator = judgeSimulator(predictionPlan, traced, by);
  const notes = [
    ...predictionNotes,
    ...paceNote(told?.blocks.judgedBy),
    ...(engines === null ? [] : [engines.note]),
    ...(unfit === null ? cutNote(all, repeats) : []),
    ...replays.flatMap(replayNotes),
  ];
  const result: ValidationResult = {
    id,
    parameters,
    ...predicted,
    ...placementByNode(document),
    ...(notes.length > 0 ? { notes } : {}),
    predicted: overRuns(predicted.metrics, new Set(runs.map((run) => run.replication)).size),
    measured: measuredSide(runs, backend, health),
    ...judgement,
    ...(simulator === null ? {} : { simulator }),
    ...blocks,
    ...(engines === null ? {} : { iterations: engines.iterations }),
  };
  return {
    result,
    logs: runs.map((run) => run.log),
    evidence: {
      id,
      parameters,
      document,
      backend,
      timeScale,
      judgement,
      runs: evidence.map((run, i) => ({ ...run, pace: paces[i] })),
    },
  };
}

/** Predictions of the runs again, by their place among them, under draws of the measured inputs. */
function drawnPredictions(
  plan: Parameters<typeof predict>[0],
  runs: readonly RealRun[],
  paces: readonly Readonly<Record<string, number>>[],
): readonly DrawnRun[] {
  const { document, inputs } = plan;
  return runs.flatMap((run, i) =>
    drawsOf(document, inputs, i).map((draw) => {
      const { logFactors, inputs: own } = drawnInputs(inputs, draw);
      const { summary } = predict({ ...plan, inputs: own }, run.replication, paces[i]);
      return { replication: i, logFactors, figures: summary };
    }),
  );
}

/** The judgement of blocks of real models: after each, whether it is settled; and what becomes of it in the result. */
function blockJudging(plan: ValidationPlan) {
  const { configuration, tolerance, repeats } = plan;
  const { document } = configuration;
  const looks = looksOf(repeats);
  const judged = (
    runs: readonly RealRun[],
    brackets: readonly MeasuredBracket[],
    unfit: string | null,
    isEnd: boolean,
  ) => {
    const error = lookError(runs.length, looks, isEnd);
    return judgeRuns({ ...plan, document }, runs, brackets, { tolerance, error, unfit });
  };
  const isSettled = ({ healthy, brackets }: RealRuns): boolean => {
    if (healthy.length < LEAST_RUNS) return false;
    const { judgement } = judged(healthy, brackets, null, false);
    plan.onJudgement?.(judgement);
    return looks.includes(healthy.length) && judgement.verdict !== "cannot tell";
  };
  const result = (
    runs: readonly RealRun[],
    measured: readonly MeasuredBracket[],
    unfit: string | null,
  ) => {
    const isBefore = looks.slice(0, -1).includes(runs.length);
    const atLook = isBefore ? judged(runs, measured, unfit, false) : null;
    const isSettled = atLook !== null && atLook.judgement.verdict !== "cannot tell";
    const last = isSettled ? atLook : judged(runs, measured, unfit, true);
    const { blocks, brackets, judgement: whole, paces } = last;
    const { error, tolerance, judgements, verdict, ...judgedBy } = whole;
    const meanMs = ({ latencyMeanMs = Number.NaN }: Block["measured"]) => latencyMeanMs;
    const results = runs.map(
      (run, i): BlockResult => ({
        atS: run.atS,
        requests: run.summary.requests,
        measuredMeanMs: meanMs(blocks[i].measured),
        predictedMeanMs: meanMs(blocks[i].predicted),
        informedMeanMs: meanMs(blocks[i].informed),
      }),
    );
    const judgement = { error, tolerance, judgements, verdict };
    return { judgement, blocks: { judgedBy, blocks: results, brackets }, paces };
  };
  return { course: { repeats: looks[looks.length - 1], isSettled }, result };
}

/** Where the stored profiles are judged at the host's pace: how far it is from calibration's. */
function paceNote(judgedBy: ValidationResult["judgedBy"]): string[] {
  const paces = Object.values(judgedBy?.models ?? {}).flatMap(({ pace, usesProbe }) =>
    usesProbe && pace !== null ? [pace] : [],
  );
  if (paces.length === 0) return [];
  const change = percentMore(meanOf(paces) - 1);
  return [
    `predicted at the host's pace now: its probe, which the models follow, takes ${change} than at calibration`,
  ];
}

/** Without half widths for a single run, and for repeats of one replication. */
function overRuns<T extends Readonly<Record<string, Estimate>>>(
  figures: T,
  runs: number,
): { readonly [K in keyof T]: RunEstimate } {
  const entries = Object.entries(figures).map(([name, one]) => [
    name,
    runs === 1 ? { mean: one.mean, halfWidth95: null } : one,
  ]);
  return Object.fromEntries(entries);
}

/** A real run's log must replay to the same decisions, also those of fifo after a scheduler that failed. */
function replayed(plan: ValidationPlan, { replication, log }: RealRun): ReplayResult {
  const { document } = plan.configuration;
  const system = compileSystem(document, plan.inputs);
  const seed = replicationSeed(document.run.seed, replication);
  const scheduler = createScheduler(document.scheduler, system, seed, plan.inputs.own);
  const fifo = createScheduler("fifo", system, seed);
  return replayLog(system, scheduler, RunLog.parse(log), [fifo]);
}

function replayNotes({ divergence }: ReplayResult): string[] {
  if (divergence === null) return [];
  const { at, logged, replayed } = divergence;
  return [`decision replay differs at entry ${at}: logged ${logged}, replayed ${replayed}`];
}

function measuredSide(
  runs: readonly RealRun[],
  backend: BackendName,
  health: HealthSummary,
): MeasuredSide {
  const summaries = runs.map((run) => run.summary);
  const { metrics, tasks, latencyCurve, replications } = aggregate(summaries);
  return {
    metrics: overRuns(metrics, runs.length),
    spread: spreadOf(summaries),
    tasks: Object.fromEntries(
      Object.entries(tasks).map(([task, figures]) => [task, overRuns(figures, runs.length)]),
    ),
    repeats: replications,
    backend,
    ...(latencyCurve === undefined ? {} : { latencyCurve }),
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

function runEvidence(
  { replication, summary, overheads, load }: RealRun,
  { workload }: ScenarioDocument,
  timeScale: number,
): RunEvidence {
  const warmupUs = givenWarmupS(workload) * 1e6;
  const counted = load.sentLateUs.filter(
    (_, i) => load.intendedUs[i] >= warmupUs && !Number.isNaN(load.latencyUs[i]),
  );
  const lateUs = counted.reduce((sum, us) => sum + us, 0) / Math.max(1, counted.length);
  return {
    replication,
    latencyMeanMs: summary.metrics.latencyMeanMs ?? Number.NaN,
    latenessMeanMs: lateUs / timeScale / 1000,
    queueWaitMeanMs: summary.metrics.queueWaitMeanMs ?? 0,
    ...known(messageCosts(overheads)),
  };
}

/** With one round trip at least of either kind. */
function known({ clientRoundTripUs, workerRoundTripUs, gateway }: MessageCosts): MessageCosts {
  const some = (us: number[]): number[] => (us.length === 0 ? [0] : us);
  return {
    clientRoundTripUs: some(clientRoundTripUs),
    workerRoundTripUs: some(workerRoundTripUs),
    gateway,
  };
}
