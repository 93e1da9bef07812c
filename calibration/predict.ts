/**
 * Predictions of real runs by simulation: what they measure, how long they take, and how long they must be for a verdict.
 */
import { expectedSeconds, givenWarmupS, isSpanned } from "../engine/arrivals/arrival-source.ts";
import { Fault } from "../engine/basics/fault.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { figureByFigure, figuresByName, type RunSummary } from "../engine/metrics/summary.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { scaledTimes } from "../scenario/compile/input-draws.ts";
import { poolsOf } from "../scenario/compile/placement.ts";
import { replays } from "../scenario/schema/implementation-kinds.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import type { BackendName } from "../scenario/schema/run.ts";
import type {
  ModelDocument,
  ScenarioDocument,
  ServiceDocument,
} from "../scenario/schema/scenario.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "../sim/replication.ts";
import type { RequestTrace } from "../sim/request-trace.ts";
import { LEAST_RUNS } from "./judge.ts";
import { pacedCosts } from "./paced-messages.ts";

export interface PredictionPlan {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  readonly backend: BackendName;
  readonly timeScale: number;
}

interface Prediction {
  readonly summary: RunSummary;
}

const WORK_DRAWS = 20;

/** The run's simulation with what its requests met, and the message costs of `plan.inputs`. */
export function predictTraced(
  plan: PredictionPlan,
  replication: number,
  trace: RequestTrace,
): { readonly summary: RunSummary; readonly log: RunLog } {
  const log = new RunLog();
  const inputs = predictionInputs(plan);
  const { summary } = runReplication(plan.document, inputs, replication, { trace, log });
  return { summary, log };
}

/**
 * The prediction of one real run: the same document, arrivals, branches and scheduler code. Replayed times are the very
 * draws of the simulator, so one simulation predicts them. Nobody knows beforehand how long a real model takes for a request,
 * so the prediction is a mean over simulations that differ in the work drawn. `factors` multiply the profiled times of
 * single tasks; none by default.
 */
export function predict(
  plan: PredictionPlan,
  replication: number,
  factors: Readonly<Record<string, number>> = {},
): Prediction {
  const { backend } = plan;
  const { document, inputs } = scaled(plan.document, predictionInputs(plan), factors);
  const seed = replicationSeed(document.run.seed, replication);
  const draws = replays(backend) ? 1 : WORK_DRAWS;
  const runs = Array.from({ length: draws }, (_, draw) =>
    runReplication(document, inputs, replication, {
      curve: true,
      ...(draw === 0 ? {} : { workSeed: `${seed}/work/${draw}` }),
    }),
  );
  return { summary: meanSummary(runs.map((run) => run.summary)) };
}

/**
 * The inputs with serving overheads as the prediction needs them. Overheads pass in real time, so a
 * run at a tenth of the time stretches them tenfold; and replicas that only wait do not contend.
 */
export function predictionInputs(plan: PredictionPlan): SimulationInputs {
  const { document, inputs, backend, timeScale } = plan;
  const { overheadProfile } = inputs;
  if (overheadProfile === undefined) return inputs;
  return {
    ...inputs,
    overheadProfile: {
      ...pacedCosts(overheadProfile, 1 / timeScale),
      contention: replays(backend)
        ? compileSystem(document, inputs).replicas.map(() => 1)
        : overheadProfile.contention,
    },
  };
}

/** Multiplies the times of each task's model by the task's factor; an assumed time by that of the model's first task. */
function scaled(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  factors: Readonly<Record<string, number>>,
): { readonly document: ScenarioDocument; readonly inputs: SimulationInputs } {
  const models = { ...document.models };
  const profiles: Record<string, Profile> = { ...inputs.profiles };
  for (const { tasks } of Object.values(document.pipelines)) {
    for (const { pool: task, model } of poolsOf(tasks)) {
      const given = document.models[model];
      const { service, profile, tokens } = given;
      const factor = factors[task] ?? 1;
      if (service !== undefined && models[model] === given) {
        models[model] = { ...given, service: scaledService(service, factor) };
      }
      if (tokens !== undefined && models[model] === given) {
        models[model] = { ...given, tokens: { ...tokens, steps: stepsOf(tokens, inputs, factor) } };
      }
      const paths = typeof profile === "string" ? [profile] : Object.values(profile ?? {});
      for (const path of paths) profiles[path] = scaledProfile(inputs.profiles[path], factor);
    }
  }
  return { document: { ...document, models }, inputs: { ...inputs, profiles } };
}

/** Times of a language model's iterations, in place; tables of layers stay as they are. */
function stepsOf(
  { steps }: NonNullable<ModelDocument["tokens"]>,
  { stepProfiles = {} }: SimulationInputs,
  factor: number,
) {
  const times = typeof steps === "string" ? stepProfiles[steps].times : steps;
  return "layers" in times ? steps : scaledTimes(times, [factor, factor]);
}

/** Figure by figure; all runs served the same requests. */
function meanSummary(runs: readonly RunSummary[]): RunSummary {
  if (runs.length === 1) return runs[0];
  return {
    requests: runs[0].requests,
    counted: Math.min(...runs.map((run) => run.counted)),
    metrics: figureByFigure(
      runs.map((run) => run.metrics),
      meanOf,
    ),
    tasks: figuresByName(
      runs.map((run) => run.tasks),
      meanOf,
    ),
    pipelines: figuresByName(
      runs.map((run) => run.pipelines),
      meanOf,
    ),
    digest: runs.map((run) => run.digest).join(""),
    curveMs: runs[0].curveMs.map((_, i) => meanOf(runs.map((run) => run.curveMs[i]))),
    growth: null,
    notes: [...new Set(runs.flatMap((run) => run.notes))],
  };
}

function scaledProfile(profile: Profile, factor: number): Profile {
  const batches = profile.batches.map((entry) => ({
    ...entry,
    meanUs: entry.meanUs * factor,
    halfWidth95Us: entry.halfWidth95Us * factor,
    quantilesUs: entry.quantilesUs.map((us) => us * factor),
  }));
  return { ...profile, batches };
}

function scaledService(service: ServiceDocument, factor: number): ServiceDocument {
  if (service.distribution === "empirical") {
    return { ...service, samplesMs: service.samplesMs.map((ms) => ms * factor) };
  }
  return { ...service, meanMs: service.meanMs * factor };
}

/** One run of a configuration, in seconds of the wall clock. */
export interface RunForecast {
  readonly seconds: number;
  /** Seconds of them that a budget may cut: the measured window of a workload that has a length. */
  readonly windowS: number;
  readonly requests: number;
}

export interface Effort {
  readonly repeats: number;
  /** Share of each measured window that is run. */
  readonly share: number;
  readonly seconds: number;
}

/** Seconds of a deployment: its start, its warm-up on real models, and its end. */
const START_S: Readonly<Record<BackendName, number>> = {
  replay: 4,
  onnx: 20,
  external: 6,
  process: 20,
  real: 20,
  engines: 10,
};
/** A load generator's start and unmeasured requests, around each run. */
const AROUND_RUN_S = 3;
/** The pipeline in place under light load, and busy neighbours, after each block of load on real models. */
const BRACKET_S = 8;
/** Shorter windows hold too little of what the scenario asked for. */
const LEAST_SHARE = 0.1;
/** Share of a budget that is kept in reserve. */
const RESERVE = 0.05;

export function forecastRun(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  timeScale: number,
): RunForecast {
  const { workload } = document;
  const { summary } = runReplication(document, inputs, 0);
  const predictedS = (summary.metrics.makespanMs ?? 0) / 1000;
  const seconds = Math.max(predictedS, expectedSeconds(workload)) * timeScale;
  const warmupS = givenWarmupS(workload) * timeScale;
  const hasLength = isSpanned(workload) && (workload.durationS ?? workload.requests) !== undefined;
  return {
    seconds,
    windowS: hasLength ? Math.max(0, seconds - warmupS) : 0,
    requests: summary.requests,
  };
}

/** Seconds that one configuration's deployment takes besides its runs. */
export function startSeconds(backend: BackendName): number {
  return START_S[backend];
}

/** Seconds that a run takes besides its requests. */
export function aroundRunSeconds(backend: BackendName): number {
  return AROUND_RUN_S + (replays(backend) ? 0 : BRACKET_S);
}

export function effortOf(
  runs: readonly RunForecast[],
  backend: BackendName,
  repeats: number,
  share = 1,
): Effort {
  const seconds = runs.reduce(
    (sum, run) =>
      sum + START_S[backend] + repeats * (runSeconds(run, share) + aroundRunSeconds(backend)),
    0,
  );
  return { repeats, share, seconds };
}

/** How long a run takes of whose window a share is run. */
export function runSeconds({ seconds, windowS }: RunForecast, share: number): number {
  return seconds - (1 - share) * windowS;
}

/**
 * `beforeS` passes before the first configuration. As many runs as fit, up to those asked for;
 * where the fewest do not, shorter ones.
 * Throws Fault("usage") with the least that would do.
 */
export function fitBudget(
  runs: readonly RunForecast[],
  backend: BackendName,
  repeats: number,
  budgetS: number,
  beforeS: number,
): Effort {
  const roomS = budgetS * (1 - RESERVE) - beforeS;
  for (let fewer = repeats; fewer >= LEAST_RUNS; fewer--) {
    const effort = effortOf(runs, backend, fewer);
    if (effort.seconds <= roomS) return effort;
  }
  const whole = effortOf(runs, backend, LEAST_RUNS);
  const windowsS = LEAST_RUNS * runs.reduce((sum, { windowS }) => sum + windowS, 0);
  const share = 1 - (whole.seconds - roomS) / windowsS;
  if (share >= LEAST_SHARE) return effortOf(runs, backend, LEAST_RUNS, share);
  const least = effortOf(runs, backend, LEAST_RUNS, windowsS > 0 ? LEAST_SHARE : 1);
  const leastS = Math.ceil((beforeS + least.seconds) / (1 - RESERVE));
  const configurations = runs.length === 1 ? "1 configuration" : `${runs.length} configurations`;
  throw new Fault(
    "usage",
    `--budget: ${budgetS} s are too few for ${configurations} × ${LEAST_RUNS} runs, which take at least ${leastS} s`,
    { hint: `give --budget ${leastS}s, or fewer \`validation.points\`` },
  );
}

/** The same document with a share of its measured window. */
export function shortened(document: ScenarioDocument, share: number): ScenarioDocument {
  const { workload } = document;
  if (share === 1 || !isSpanned(workload)) return document;
  const { durationS, requests } = workload;
  const warmupS = givenWarmupS(workload);
  const wholeS = durationS ?? expectedSeconds(workload);
  const keptS = Math.max(warmupS + share * (wholeS - warmupS), warmupS);
  const kept = wholeS > 0 ? keptS / wholeS : share;
  return {
    ...document,
    workload: {
      ...workload,
      ...(durationS === undefined ? {} : { durationS: Math.round(1000 * keptS) / 1000 }),
      ...(requests === undefined ? {} : { requests: Math.max(1, Math.round(requests * kept)) }),
    },
  };
}
