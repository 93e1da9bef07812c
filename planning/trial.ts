/** Replications of one cluster, on the requests that all clusters get or on fresh ones for the answer of a plan. */
import { expectedSeconds, knownRequests } from "../engine/arrivals/arrival-source.ts";
import { digestOf } from "../engine/basics/digest.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { judgeStability } from "../engine/stability/judge-stability.ts";
import { type Estimate, estimate } from "../engine/statistics/estimate.ts";
import {
  type DrawnRun,
  deviations,
  drawsOf,
  type RunFigures,
  withChanges,
} from "../results/input-effects.ts";
import { attainmentOf, type Goal, goalsOf } from "../results/slo.ts";
import { drawnInputs } from "../scenario/compile/input-draws.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import {
  availabilityControls,
  configurationLoad,
  replicationSteps,
  type SimulationInputs,
  withWarmUp,
} from "../sim/replication.ts";
import { leastRuns, type Outlook, outlook, reachOf, scoreOf, spanOf } from "./outlook.ts";
import { pilotOf, settled } from "./run-length.ts";

/** Figures of one pipeline with a goal. */
export interface Kept {
  readonly sloAttainmentRatio: Estimate;
  /** At the goal's own percentile; null where a replication had none. */
  readonly latencyMs: Estimate | null;
}

/** Replications of one cluster, added to as they are asked for. */
export interface Trial {
  readonly document: ScenarioDocument;
  readonly goals: readonly Goal[];
  readonly runs: RunSummary[];
  /** The first of them with draws of the measured inputs; none before these matter. */
  readonly drawn: DrawnRun[];
}

/** Fewer tell little of their own spread. */
export const FIRST_REPLICATIONS = 3;
/** Replications from here on are kept for confirmation: no search has seen their requests. */
const FRESH = 1_000_000;

/** How long a search may go on, from outside: it knows no clock. */
export interface Pace {
  /** Share of the budget that is spent, 0 to 1. */
  readonly spent: () => number;
  /** Whether to stop now, by the budget or by the user. */
  readonly isOver: () => boolean;
  /** For each run, how many events it goes on for until the next look. Default: a thousand. */
  readonly looks?: () => () => number;
}

/** Summaries by scenario, replication and draw, so that a search goes on where one before it stopped. */
export interface Known {
  get(key: string): RunSummary | undefined;
  set(key: string, summary: RunSummary): void;
}

/** Thrown out of a search that its pace ends: what stands then is its answer. */
export class OutOfTime extends Error {}

/** Runs trials, and counts what it simulates. Yields in the midst of replications and after each. */
export class Laboratory {
  /** Simulated so far, warm-up included. */
  requests = 0;
  readonly #inputs: SimulationInputs;
  readonly #pace: Required<Pace>;
  readonly #known: Known | null;

  /** `known` has the summaries of earlier searches, and gets those of this one. */
  constructor(inputs: SimulationInputs, pace?: Pace, known: Known | null = null) {
    this.#inputs = inputs;
    this.#pace = { spent: () => 0, isOver: () => false, looks: () => () => 1000, ...pace };
    this.#known = known;
  }

  /** The start of the first replication, on an empty system: a cluster that fails here fails. */
  *pilot(scenario: ScenarioDocument, goals: readonly Goal[]): Generator<undefined, Trial> {
    const document = pilotOf(scenario);
    return { document, goals, runs: [yield* this.#run(document, 0)], drawn: [] };
  }

  /** Brings a trial to `count` replications; `fresh` ones are of other requests. */
  *extend({ document, runs }: Trial, count: number, fresh = false): Generator<undefined, void> {
    for (let i = runs.length; i < count; i++)
      runs.push(yield* this.#run(document, i + (fresh ? FRESH : 0)));
  }

  /** Fresh replications again, each with its draws of the measured inputs, as `simulate` has them. */
  *#draw({ document, runs, drawn }: Trial): Generator<undefined, void> {
    for (const replication of runs.keys()) {
      if (drawn.some((one) => one.replication === replication)) continue;
      for (const draw of drawsOf(document, this.#inputs, replication)) {
        const { inputs, logFactors } = drawnInputs(this.#inputs, draw);
        const figures = yield* this.#run(document, replication + FRESH, { inputs, draw });
        drawn.push({ replication, logFactors, figures });
      }
    }
  }

  /** Without replications but those already seen of the very scenario; the end of a warm-up that is to be found is. */
  *start(
    scenario: ScenarioDocument,
    goals: readonly Goal[],
    seen: Trial | null = null,
  ): Generator<undefined, Trial> {
    if (seen?.document === scenario) return seen;
    const steps = withWarmUp(scenario, this.#inputs, this.#pace.looks());
    const { document } = yield* this.watched(steps);
    return { document, goals, runs: [], drawn: [] };
  }

  /**
   * Whether fresh requests show that the goals are met. Looks up to eight times; a wrong yes has the
   * probability `error` at most, over all looks. It gives up early where a yes has become unlikely. Runs are longer where
   * queues take `queueS` to forget that they began empty, and that is affordable.
   */
  *confirm(
    scenario: ScenarioDocument,
    goals: readonly Goal[],
    error: number,
    queueS = 0,
  ): Generator<undefined, Confirmed> {
    const started = yield* this.start(scenario, goals);
    const own = Math.max(FIRST_REPLICATIONS, started.document.run.replications);
    const document = affordable(started.document, settled(started.document, queueS), own);
    const trial = { ...started, document };
    const first = Math.max(own, leastRuns(document, goals, LOOKS[0][1] * error));
    // Beyond the scenario's own length only as far as that takes no excessive number of requests.
    const perRun = knownRequests(document.workload) ?? 0;
    const isTooLong = first > own && first * perRun > MOST_REQUESTS;
    const durationS = expectedSeconds(document.workload);
    const needed = { replications: first, because: null, durationS };
    // Less than a yes takes may do for a no.
    for (let runs = own; runs < first; runs *= 2) {
      yield* this.extend(trial, runs, true);
      if (reachOf(trial) < 0) return { ...trial, meets: false, needed: null };
      if (!isTooLong) continue;
      return { ...trial, meets: false, needed: scoreOf(trial) < 0 ? null : needed };
    }
    const load = configurationLoad(document, this.#inputs);
    const judged = (own: number): readonly Outlook[] =>
      goals.map((goal) => spanOf(trial, goal, own, GIVEN_UP));
    const looks = LOOKS.filter(([times]) => times === 1 || times * first * perRun <= MOST_REQUESTS);
    const last = Math.max(...looks.map(([times]) => times));
    for (const [times, part] of looks) {
      yield* this.extend(trial, times * first, true);
      let outlooks = judged(part * error);
      const isAbove = (limit: (one: Outlook) => number): boolean =>
        outlooks.every((one, g) => limit(one) >= goals[g].share);
      if (judgeStability(document.workload, load, trial.runs).stability === "unstable") break;
      const isLong = trial.runs.length >= leastRuns(document, goals, part * error);
      if (isLong && isAbove(({ low }) => low)) {
        yield* this.#draw(trial);
        outlooks = judged(part * error);
        if (isAbove(({ low }) => low)) return { ...trial, meets: true, needed: null };
      }
      if (!isAbove(({ high }) => high)) break;
      const told = lengthThatTells(trial, outlooks);
      // The last look's limit, were the truth the upper one.
      const left = Math.sqrt(times / last);
      const mayDo = isAbove(({ mean, low, high }) => high - (mean - low) * left);
      if (times === last || told.because === "inputs" || !mayDo)
        return { ...trial, meets: false, needed: { ...needed, ...told } };
    }
    return { ...trial, meets: false, needed: null };
  }

  *#run(
    document: ScenarioDocument,
    replication: number,
    { inputs, draw }: { inputs: SimulationInputs; draw?: number } = { inputs: this.#inputs },
  ): Generator<undefined, RunSummary> {
    const key = this.#known && [digestOf(document), replication, draw].join("/");
    let summary = key === null ? undefined : this.#known?.get(key);
    if (summary !== undefined) yield* this.look();
    else {
      const shares = Object.fromEntries(goalsOf(document).map((one) => [one.pipeline, one.share]));
      const steps = replicationSteps(document, inputs, replication, { shares }, this.#pace.looks());
      const { summary: found } = yield* this.watched(steps);
      // Thousands are kept, without what no plan reads.
      const controls = availabilityControls(document, inputs, found);
      summary = { ...found, controls, tasks: {}, curveMs: [] };
      if (key !== null) this.#known?.set(key, summary);
    }
    this.requests += summary.requests;
    return summary;
  }

  /** The steps, until the search is to end: then throws OutOfTime. */
  *watched<T>(steps: Generator<undefined, T>): Generator<undefined, T> {
    for (;;) {
      const next = steps.next();
      yield* this.look();
      if (next.done === true) return next.value;
    }
  }

  /** Throws OutOfTime once the search is to end. */
  *look(): Generator<undefined, void> {
    if (this.#pace.isOver()) throw new OutOfTime();
    yield;
  }

  get spent(): number {
    return this.#pace.spent();
  }
}

/** A confirmation's runs. `needed`: without a yes or a no, the length that would probably tell. */
export interface Confirmed extends Trial {
  readonly meets: boolean;
  readonly needed: {
    /** Null where no length would: the measured inputs are too uncertain, or the share is too close to its goal. */
    readonly replications: number | null;
    readonly because: "inputs" | "close" | null;
    readonly durationS: number;
  } | null;
}

/** Requests of a confirmation beyond what the scenario asks for. */
const MOST_REQUESTS = 5_000_000;
/** Requests of its fewest runs where these are longer than the scenario's, and how many times those of the scenario's. */
const MOST_LONGER = 500_000;
const MOST_TIMES = 4;

/** The longer one of these scenarios if `runs` of it do not take too many requests. */
function affordable(
  given: ScenarioDocument,
  longer: ScenarioDocument,
  runs: number,
): ScenarioDocument {
  const requests = (one: ScenarioDocument): number => runs * (knownRequests(one.workload) ?? 0);
  const most = Math.max(MOST_LONGER, MOST_TIMES * requests(given));
  return requests(longer) <= most ? longer : given;
}

/** Looks at a confirmation: in times its first runs, and with a part of the error. */
const PARTS = { 1: 0.25, 2: 0.25, 3: 0.1, 4: 0.1, 6: 0.1, 8: 0.05, 12: 0.05, 16: 0.1 };
const LOOKS = Object.entries(PARTS).map(([times, part]) => [Number(times), part] as const);
/** Probability that the share is above the limit at which a look gives up: that loses a yes, and never makes a wrong one. */
const GIVEN_UP = 0.15;
/** A length is asked for where the share is above its goal but for this probability, and leaves as much to chance. */
const SHORT = 0.25;

/**
 * Replications that would probably tell what these outlooks leave open; null where the share is too close to a goal for
 * any to do, or the inputs too uncertain.
 */
function lengthThatTells({ goals, runs }: Trial, outlooks: readonly Outlook[]) {
  const times = goals.map((goal, i) => {
    const { mean, low, inputs } = outlooks[i];
    const cautious = outlook(goal, runs, SHORT).low;
    const margin = mean - goal.share;
    if (low >= goal.share) return 1;
    if (cautious <= goal.share) return null;
    if (margin <= inputs) return Number.POSITIVE_INFINITY;
    const width = Math.sqrt((mean - low) ** 2 - inputs ** 2) + (mean - cautious);
    return Math.max(1, width ** 2 / (margin ** 2 - inputs ** 2));
  });
  if (times.includes(null)) return { replications: null, because: "close" as const };
  const most = Math.max(...(times as number[]));
  if (most === Infinity) return { replications: null, because: "inputs" as const };
  return { replications: Math.ceil(runs.length * most), because: null };
}

/** By pipeline; one run has no interval. Runs with few outages, or without a late request, know little of their spread: then it is the limit's. */
export function keptOf(trial: Trial): Readonly<Record<string, Kept>> {
  const kept = trial.goals.map((goal) => {
    const { estimate: found } = attainmentOf(goal, trial.runs, trial.drawn);
    const own = Math.max(found.halfWidth95, found.mean - spanOf(trial, goal).low);
    const halfWidth95 = trial.runs.length === 1 ? Number.NaN : own;
    const sloAttainmentRatio = { ...found, halfWidth95 };
    return [goal.pipeline, { sloAttainmentRatio, latencyMs: latencyOf(trial, goal) }];
  });
  return Object.fromEntries(kept);
}

/** Null where a replication had no request. */
function latencyOf({ runs, drawn }: Trial, { pipeline }: Goal): Estimate | null {
  const latency = ({ shareMs }: RunFigures): number | undefined => shareMs?.[pipeline];
  const values = runs.map(latency);
  if (values.some((value) => value === undefined)) return null;
  const found = estimate(values as number[]);
  if (values.length === 1) return { ...found, halfWidth95: Number.NaN };
  return withChanges(found, deviations(drawn, runs, latency));
}
