/**
 * How long a validation takes, known before it starts; and fewer or shorter runs where that is more
 * than a budget. A run's length is what the simulator predicts for it.
 */
import { expectedSeconds, givenWarmupS, isSpanned } from "../core/arrivals/extent.ts";
import { Fault } from "../core/fault.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { runReplication, type SimulationInputs } from "../sim/replication.ts";
import { LEAST_RUNS } from "./judge.ts";
import { PACE_SECONDS } from "./pace.ts";

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

/** A deployment's start and end, and around each run: a load generator's start, unmeasured requests. */
const START_S: Readonly<Record<BackendName, number>> = {
  ...{ replay: 4, onnx: 20, external: 6, process: 20, real: 20 },
};
const AROUND_RUN_S = 3;
/** Shorter windows hold too little of what the scenario asked for. */
const LEAST_SHARE = 0.1;
/** Of a budget, for what takes longer than expected. */
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

/** Seconds that one configuration's deployment takes to start and stop. */
export function startSeconds(backend: BackendName): number {
  return START_S[backend];
}

/** Seconds that a run takes besides its requests. */
export function aroundRunSeconds(backend: BackendName): number {
  return AROUND_RUN_S + (backend === "replay" ? 0 : PACE_SECONDS);
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
 * `beforeS` passes before the first configuration. As many runs as fit, up to those asked for; where the fewest do not, shorter ones.
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
