/** Forecasts how long a validation takes, by simulation, and fits it into a budget by fewer or shorter runs. */
import { expectedSeconds, givenWarmupS, isSpanned } from "../core/arrivals/arrival-source.ts";
import { assert, Fault } from "../core/fault.ts";
import type { MetricName } from "../core/results.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { relativeError } from "../core/statistics/equivalence.ts";
import { studentT } from "../core/statistics/estimate.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "../sim/replication.ts";
import { LEAST_RUNS } from "./judge.ts";
import { PACE_SECONDS } from "./pace.ts";
import { type PredictionPlan, predict } from "./predict.ts";

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

interface LengthBounds {
  /** Warm-up, and what else passes around the window of each run. */
  readonly aroundS: number;
  readonly mostS: number;
}

/** The rest of the tolerance is for the error itself and the host. */
export const AIM = 0.6;
const MOST_RUNS = 8;
const LEAST_WINDOW_S = 4;
/** Simulated pairs, each of as many requests. */
const PAIRS = 24;
const REQUESTS = 100;

/**
 * The length of real runs is chosen so that the interval of their errors fits into the tolerance; the host's
 * own noise is not in it, so `AIM` leaves room:
 *
 *   half width of n runs of w seconds = t(n − 1) × deviation of a pair × √(1 / w) / √n
 *
 * Deviation of a pair's error over the tolerance, for the metric where it is largest, in a window of
 * one second: variances fall as windows grow.
 */
export function deviationIn1S(
  plan: PredictionPlan,
  tolerance: Readonly<Record<string, number>>,
): number {
  const { workload } = plan.document;
  assert("ratePerS" in workload && isSpanned(workload), "a length is chosen for open arrivals");
  const windowS = REQUESTS / workload.ratePerS;
  const { requests: _, ...process } = workload;
  const ofWindow = { ...process, durationS: windowS, warmupS: 0 } as const;
  const document: ScenarioDocument = { ...plan.document, workload: ofWindow };
  const pairs = Array.from({ length: PAIRS }, (_, replication) => {
    const seed = replicationSeed(document.run.seed, replication);
    const options = { workSeed: `${seed}/validation-length` };
    return {
      predicted: predict({ ...plan, document }, replication).summary.metrics,
      real: runReplication(document, plan.inputs, replication, options).summary.metrics,
    };
  });
  const shares = Object.entries(tolerance).map(([name, limit]) => {
    const values = (side: "predicted" | "real") =>
      pairs.map((pair) => pair[side][name as MetricName] ?? Number.NaN);
    return (relativeError(values("predicted"), values("real"))?.deviation ?? 0) / limit;
  });
  return Math.max(...shares.filter(Number.isFinite), 0) * Math.sqrt(windowS);
}

/** The shortest runs that reach the aim; the most telling within the bound where none do. */
export function runLength(deviation: number, { aroundS, mostS }: LengthBounds) {
  const all = Array.from({ length: MOST_RUNS - LEAST_RUNS + 1 }, (_, i) => {
    const repeats = LEAST_RUNS + i;
    const t = studentT(repeats - 1, 0.05);
    const longestS = Math.max(LEAST_WINDOW_S, mostS / repeats - aroundS);
    const wantedS = Math.ceil(((t * deviation) / AIM) ** 2 / repeats);
    const windowS = Math.floor(Math.min(longestS, Math.max(LEAST_WINDOW_S, wantedS)));
    // Half width of the 90% interval over the tolerance.
    const share = (t * deviation) / Math.sqrt(repeats * windowS);
    return { repeats, windowS, seconds: repeats * (windowS + aroundS), share };
  });
  const within = all.filter(({ seconds }) => seconds <= mostS);
  const telling = within.filter(({ share }) => share <= AIM);
  const [best] = telling.toSorted((a, b) => a.seconds - b.seconds);
  return best ?? within.toSorted((a, b) => a.share - b.share)[0] ?? all[0];
}
