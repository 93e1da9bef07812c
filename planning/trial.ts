/**
 * Trials of one cluster: replications on the same requests as every other cluster gets, and on fresh
 * requests for the answer of a plan.
 */
import type { RunSummary } from "../core/metrics/summary.ts";
import type { Estimate, SloState } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { attainmentOf, type Goal, type SloRun, sloState } from "../core/slo.ts";
import { judgeStability } from "../core/stability/judge-stability.ts";
import { estimate, studentT } from "../core/statistics/estimate.ts";
import {
  configurationLoad,
  replicationSteps,
  type SimulationInputs,
  withWarmUp,
} from "../sim/replication.ts";

/** Figures of one pipeline with a goal. */
export interface Kept {
  readonly sloAttainmentRatio: Estimate;
  /** Null where a replication had none. */
  readonly latencyP99Ms: Estimate | null;
}

/** Replications of one cluster, added to as they are asked for. */
export interface Trial {
  readonly document: ScenarioDocument;
  readonly goals: readonly Goal[];
  readonly runs: RunSummary[];
}

/** Fewer tell little of their own spread. */
export const FIRST_REPLICATIONS = 3;
/** Replications from here on are kept for confirmation: no search has seen their requests. */
const FRESH = 1_000_000;
/** Part of a replication that a pilot takes. */
const PILOT_SHARE = 1 / 4;
const FEWEST_PILOT_REQUESTS = 200;

/** Arrivals of which a part is like the whole. */
const STATIONARY = new Set<string>(["poisson", "deterministic", "gamma", "weibull", "mmpp"]);

/** Runs trials, and counts what it simulates. Yields in the midst of replications and after each. */
export class Laboratory {
  /** Simulated so far, warm-up included. */
  requests = 0;
  readonly #inputs: SimulationInputs;

  constructor(inputs: SimulationInputs) {
    this.#inputs = inputs;
  }

  /** The start of the first replication, on an empty system: a cluster that fails here fails. */
  pilot(document: ScenarioDocument): Generator<undefined, RunSummary> {
    return this.#run(shortened(withoutDetection(document)), 0);
  }

  /** Brings a trial to `count` replications; `fresh` ones are of other requests. */
  *extend({ document, runs }: Trial, count: number, fresh = false): Generator<undefined, void> {
    for (let i = runs.length; i < count; i++)
      runs.push(yield* this.#run(document, i + (fresh ? FRESH : 0)));
  }

  /** Replications until it is clear whether the goals are met, at most `run.replications`, or 3. */
  *tryOut(
    document: ScenarioDocument,
    goals: readonly Goal[],
  ): Generator<undefined, Trial & { readonly meets: boolean }> {
    const trial = yield* this.start(document, goals);
    const most = Math.max(FIRST_REPLICATIONS, document.run.replications);
    let state: SloState = "unclear";
    for (let n = FIRST_REPLICATIONS; n <= most && state === "unclear"; n++) {
      yield* this.extend(trial, n);
      state = this.stateOf(trial);
    }
    return { ...trial, meets: state === "meets" };
  }

  /** Without replications yet; the end of a warm-up that is to be found is. */
  *start(scenario: ScenarioDocument, goals: readonly Goal[]): Generator<undefined, Trial> {
    const { document } = yield* withWarmUp(scenario, this.#inputs);
    return { document, goals, runs: [] };
  }

  stateOf({ document, goals, runs }: Trial): SloState {
    return sloState(goals, runs, this.#stability(document, runs));
  }

  /**
   * Whether fresh requests show that the goals are met. Looks up to four times; a wrong yes has the
   * probability `error` at most, over all looks. It gives up early where a yes has become unlikely.
   */
  *confirm(
    scenario: ScenarioDocument,
    goals: readonly Goal[],
    error: number,
  ): Generator<undefined, Trial & { readonly meets: boolean }> {
    const trial = yield* this.start(scenario, goals);
    const first = Math.max(FIRST_REPLICATIONS, trial.document.run.replications);
    for (const { times, part } of LOOKS) {
      yield* this.extend(trial, times * first, true);
      const outlooks = goals.map((goal) => outlook(goal, trial.runs, part * error));
      const isAbove = (limit: (one: Outlook) => number): boolean =>
        outlooks.every((one, i) => limit(one) >= goals[i].share);
      if (this.#stability(trial.document, trial.runs) === "unstable") break;
      if (isAbove(({ low }) => low)) return { ...trial, meets: true };
      if (!isAbove(({ high }) => high) || (times > 1 && !isAbove(({ mean }) => mean))) break;
      // Twice the runs would do, if they went on so; else the last look is not worth its requests.
      const isNear = isAbove(({ mean, low }) => mean - (mean - low) / Math.SQRT2);
      if (times === BEFORE_LAST && !isNear) break;
    }
    return { ...trial, meets: false };
  }

  #stability(document: ScenarioDocument, runs: readonly RunSummary[]) {
    const load = configurationLoad(document, this.#inputs);
    return judgeStability(document.workload, load, runs).stability;
  }

  *#run(document: ScenarioDocument, replication: number): Generator<undefined, RunSummary> {
    const { summary } = yield* replicationSteps(document, this.#inputs, replication);
    this.requests += summary.requests;
    yield;
    return summary;
  }
}

/** Looks at a confirmation: in times `run.replications`, and with a part of the error. */
const LOOKS = [
  { times: 1, part: 0.3 },
  { times: 2, part: 0.3 },
  { times: 4, part: 0.3 },
  { times: 8, part: 0.1 },
];
const BEFORE_LAST = 4;

interface Outlook {
  readonly mean: number;
  /** The true share lies above, but for the error asked for. */
  readonly low: number;
  /** The true share lies below, but for one case in ten. */
  readonly high: number;
}

const HOPELESS = 0.1;
/** Requests come late together: a share varies as one of so many times fewer independent ones. */
const CLUSTERED = 9;
const FEW_SIGMAS = 3;

/**
 * The share within a goal, between one-sided limits by Student's t over the runs. No narrower than
 * independent requests would have it; without any late request the lower limit is error^(1/requests),
 * which is exact (Clopper and Pearson, Biometrika 26(4), 1934). One run says nothing of the spread of runs,
 * so its limits take late requests to come in clusters; so does the lower limit of two.
 */
export function outlook(goal: Goal, runs: readonly SloRun[], error: number): Outlook {
  const { estimate: found } = attainmentOf(goal, runs);
  const { mean } = found;
  const requests = requestsOf(goal, runs);
  if (Number.isNaN(mean)) return { mean: 0, low: 0, high: 1 };
  const independent = Math.sqrt((mean * (1 - mean)) / requests);
  const freedom = runs.length - 1;
  const clustered = FEW_SIGMAS * Math.sqrt(CLUSTERED) * independent;
  if (freedom === 0) {
    const low = mean === 1 ? error ** (CLUSTERED / requests) : mean - clustered;
    return { mean, low, high: mean + clustered };
  }
  const ofRuns = found.halfWidth95 / studentT(freedom, 0.025);
  const width = Math.max(ofRuns, independent);
  const below = Math.max(studentT(freedom, error) * width, freedom === 1 ? clustered : 0);
  const low = mean === 1 ? error ** (1 / requests) : mean - below;
  return { mean, low, high: mean + studentT(freedom, HOPELESS) * width };
}

function requestsOf({ pipeline }: Goal, runs: readonly SloRun[]): number {
  return runs.reduce(
    (total, { pipelines, counted }) => total + (pipelines[pipeline]?.requests ?? counted),
    0,
  );
}

/** How far the worst kept goal is from being missed, in shares of what may be late; below 0: missed. */
export function scoreOf(goals: readonly Goal[], runs: readonly RunSummary[]): number {
  return worstOf(goals, (goal) => outlook(goal, runs, HOPELESS).mean);
}

/** The score that more replications would hardly exceed; below 0: they would hardly show that all goals are met. */
export function reachOf(goals: readonly Goal[], runs: readonly RunSummary[]): number {
  return worstOf(goals, (goal) => outlook(goal, runs, HOPELESS).high);
}

/** The score that more replications would hardly fall below. */
export function assuredOf(goals: readonly Goal[], runs: readonly RunSummary[]): number {
  return worstOf(goals, (goal) => outlook(goal, runs, HOPELESS).low);
}

function worstOf(goals: readonly Goal[], shareOf: (goal: Goal) => number): number {
  return Math.min(...goals.map((goal) => (shareOf(goal) - goal.share) / (1 - goal.share)));
}

/** By pipeline. */
export function keptOf({ goals, runs }: Trial): Readonly<Record<string, Kept>> {
  const kept = goals.map((goal) => {
    const sloAttainmentRatio = attainmentOf(goal, runs).estimate;
    return [goal.pipeline, { sloAttainmentRatio, latencyP99Ms: latencyOf(runs, goal.pipeline) }];
  });
  return Object.fromEntries(kept);
}

/** Mean cost of the machines that hosted replicas; null without prices. */
export function costOf(runs: readonly RunSummary[]): number | null {
  const { mean } = estimate(runs.map(({ metrics }) => metrics.costPerHour ?? 0));
  return mean > 0 ? mean : null;
}

/** A pipeline has figures of its own where there are several. */
function latencyOf(runs: readonly RunSummary[], pipeline: string): Estimate | null {
  const values = runs.map(
    ({ pipelines, metrics }) => (pipelines[pipeline] ?? metrics).latencyP99Ms ?? Number.NaN,
  );
  return values.some(Number.isNaN) ? null : estimate(values);
}

/** A warm-up that is still to be found is left out: the start of a run is too good, if anything. */
function withoutDetection(document: ScenarioDocument): ScenarioDocument {
  if (document.workload.warmupS !== "auto") return document;
  return { ...document, workload: { ...document.workload, warmupS: 0 } } as ScenarioDocument;
}

function shortened(document: ScenarioDocument): ScenarioDocument {
  const { workload } = document;
  if (!STATIONARY.has(workload.arrivals) || !("durationS" in workload || "requests" in workload)) {
    return document;
  }
  const { durationS, requests } = workload as { durationS?: number; requests?: number };
  const part = Math.max(FEWEST_PILOT_REQUESTS, Math.ceil((requests ?? 0) * PILOT_SHARE));
  const span = {
    warmupS: Number(workload.warmupS) * PILOT_SHARE,
    ...(durationS === undefined ? {} : { durationS: durationS * PILOT_SHARE }),
    ...(requests === undefined ? {} : { requests: Math.min(requests, part) }),
  };
  return { ...document, workload: { ...workload, ...span } } as ScenarioDocument;
}
