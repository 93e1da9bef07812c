/**
 * A scenario to its plans: for each load that it sweeps, the cheapest cluster, placement and scheduler
 * that keep the latency goals. docs/planning.md says what each swept path is.
 */

import { Fault } from "../engine/basics/fault.ts";
import { grouped } from "../engine/basics/iterables.ts";
import { goalsOf } from "../results/slo.ts";
import { poolNames } from "../scenario/compile/compile.ts";
import { type PlacementByKind, placementByNode } from "../scenario/compile/placement.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { valueAtPath } from "../scenario/reading/set-path.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import {
  type Alternative,
  alternativeOf,
  type Choice,
  choiceOf,
  combinationsOf,
  isCutShort,
  type Parameters,
  withBatches,
} from "./contenders.ts";
import { canHostEverywhere, type NotSearched, notSearched } from "./left-out.ts";
import { missingOf } from "./missing.ts";
import {
  type Asked,
  askedOf,
  axesOf,
  boundsOf,
  REPLICAS,
  refuse,
  type Swept,
  sweptOf,
} from "./question.ts";
import { isSettled } from "./run-length.ts";
import { Descents, isLarge } from "./search.ts";
import { relaxationS } from "./settling.ts";
import { type CostUnit, type Hosting, Space } from "./space.ts";
import {
  costOfTried,
  type Explored,
  type Noted,
  nothingFound,
  type Problem,
  replicasOf,
  type Search,
  type Solver,
  type Standing,
  type Tried,
} from "./standing.ts";
import {
  type Confirmed,
  type Kept,
  type Known,
  keptOf,
  Laboratory,
  OutOfTime,
  type Pace,
} from "./trial.ts";
import type { Window } from "./window.ts";

export interface PlanOptions extends Asked {
  readonly mostReplicas: number;
  /** Presets to try beside the scenario's scheduler, where no scheduler is swept. */
  readonly schedulers: readonly string[];
  /** Default: without end. */
  readonly pace?: Pace | undefined;
  /** Summaries of earlier searches. Default: none. */
  readonly known?: Known;
  readonly solve: Solver;
}

/** One combination of scheduler and cluster. */
export interface Answer {
  readonly scheduler: ScenarioDocument["scheduler"];
  /** Values of the swept choices. */
  readonly parameters: Parameters;
  /** In the plan's `unit`. */
  readonly cost: number;
  /** By task. */
  readonly replicas: Readonly<Record<string, number>>;
  /** Machines by node; null without nodes. */
  readonly machines: Readonly<Record<string, number>> | null;
  /** Where the replicas run, among all machines that there are; null without nodes. */
  readonly placement: PlacementByKind | null;
  /** Simulated: of the plan, those that confirmed it. */
  readonly replications: number;
  /** By pipeline with a goal: the share within it, and the latency at its percentile. JSON has null for the interval of one run. */
  readonly kept: Readonly<Record<string, Kept>>;
  /** As a point of a sweep, with its load. */
  readonly point: Point;
}

/** Values by path. */
export type Point = Readonly<Record<string, unknown>>;

/** The result of a plan for one load: an entry of `tandem/plan@3`. */
export interface PlanEntry {
  /** The load that it is for, as swept. */
  readonly parameters: Parameters;
  readonly unit: CostUnit;
  /** Schedulers that served the pilot of the best one's cluster request for request as its scheduler did. */
  readonly alike: readonly ScenarioDocument["scheduler"][];
  readonly explored: Explored;
  /** Clusters left out of the search that may be cheaper. */
  readonly notSearched: readonly NotSearched[];
  readonly goals: readonly {
    readonly pipeline: string;
    readonly latencyMs: number;
    readonly percentile: number;
  }[];
  /** Keeps the goals, on requests that the search had not seen; null without a solution. */
  readonly best: Answer | null;
  /** Others that keep the goals, on the requests of the search. */
  readonly runnersUp: readonly Answer[];
  /** Without a solution, the one that came nearest. */
  readonly nearest: Answer | null;
  /** Whether all that is cheaper was tried or ruled out, by simulations that may err: no proof. */
  readonly allCheaperTried: boolean;
  /** `not confirmed`: `best` keeps the goals on the requests of the search alone. */
  readonly state: "confirmed" | "not confirmed" | "none";
  /** Why no cluster keeps the goals, by bounds or simulations; null where they do not show that. */
  readonly missing: string | null;
  /** Whether the search ended before it was done. */
  readonly stopped: boolean;
  /** Whether it ended before most of the budget was spent. */
  readonly isIdle: boolean;
  /** Nothing that costs less keeps the goals, as far as the search can tell. */
  readonly lowerBound: number;
  readonly promise: NonNullable<Asked["promise"]>;
  /** Seconds that the plan's fullest queue takes to settle, where its runs are too short to promise the long run; else null. */
  readonly settlesS: number | null;
  /** The part of a changing load that the plan is for; null for all of it. */
  readonly window: Window | null;
  /** Where fresh requests could not tell whether the goals are kept, the length that would probably tell. */
  readonly needed: Confirmed["needed"];
  /** Clusters that were simulated, the cheapest first; of more than a thousand the last ones. */
  readonly tried: readonly Noted[];
}

export interface Plan extends PlanEntry {
  /** The scenario with the best cluster and scheduler; null without a solution. */
  readonly planned: ScenarioDocument | null;
}

export interface Step {
  /** Plans. */
  readonly done: number;
  readonly of: number;
  /** Simulated for the plan at hand. */
  readonly requests: number;
  /** Combinations of machines, replicas and schedulers. */
  readonly combinations: number;
  /** Whether an incumbent is looked for before the cheapest clusters. */
  readonly isLarge: boolean;
  readonly standing: Standing | null;
}

/**
 * Yields every some hundredths of a second. Throws Fault("invalid-input") for a scenario without goals, with a
 * placement of its own or with faults of single machines, and as `checkedSweep` and `Space` do.
 */
export function* makePlans(
  loaded: LoadedScenario,
  inputs: SimulationInputs,
  options: PlanOptions,
): Generator<Step, readonly Plan[]> {
  const swept = sweptOf(loaded, inputs);
  for (const { document } of swept) refuse(document, loaded.file);
  const loads = grouped(swept, ({ load }) => JSON.stringify(load));
  const plans: Plan[] = [];
  for (const combinations of loads.values()) {
    const step = { done: plans.length, of: loads.size, requests: 0 };
    yield { ...step, combinations: 0, isLarge: false, standing: null };
    const asked = askedOf(combinations, inputs, options);
    const pace = options.pace && partOf(options.pace, loads.size - plans.length);
    const split = { ...options, pace, error: FAMILY_ERROR / loads.size, promise: asked.promise };
    const problem = problemOf(loaded, asked.combinations, asked.inputs, split);
    const { laboratory, standing } = problem;
    const count = combinationsOf(problem.alternatives);
    standing.missing = missingOf(problem);
    const known = { ...step, combinations: count, isLarge: isLarge(problem), standing };
    yield known;
    const steps = new Descents(problem).run();
    let search: Search | null = null;
    try {
      let next = steps.next();
      for (; next.done !== true; next = steps.next()) {
        yield { ...known, requests: laboratory.requests };
      }
      search = next.value;
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
    }
    const plan = planOf(asked.combinations[0], combinations[0], problem, search);
    const { confirmed } = standing;
    const isSteady = asked.promise === "long-run" && asked.window === null;
    const queueS = isSteady && confirmed !== null ? relaxationS(confirmed.contender) : 0;
    const isKnown = confirmed === null || isSettled(confirmed.trial.document, queueS);
    const settlesS = isKnown ? null : queueS;
    const promise = settlesS === null ? asked.promise : "runs";
    plans.push({ ...plan, promise, settlesS, window: asked.window });
  }
  return plans;
}

/** Each of so many loads gets an equal part of what is left of the budget. */
function partOf(pace: Pace, loads: number): Pace {
  const from = pace.spent();
  const part = (1 - from) / loads;
  const ofPart = (): number => (part > 0 ? (pace.spent() - from) / part : 1);
  return { ...pace, spent: ofPart, isOver: () => pace.isOver() || ofPart() >= 1 };
}

/** Probability of a wrong yes over all confirmations together: that of two-sided 95% intervals. */
const FAMILY_ERROR = 0.025;

/** `given`: the scenario before its window. `search`: null where it was stopped. */
function planOf(
  { load, document }: Swept,
  given: Swept,
  { goals, alternatives, standing, laboratory, isBatchSpaceCut }: Problem,
  search: Search | null,
): Omit<Plan, "promise" | "settlesS" | "window"> {
  const { confirmed, nearest, noted } = standing;
  const best = confirmed ?? standing.unclear ?? standing.incumbent;
  const isConfirmed = confirmed !== null;
  const [{ choice }] = alternatives;
  const cost = best?.contender.shape.cost ?? Number.POSITIVE_INFINITY;
  const cheapest = Math.min(...alternatives.map((one) => Math.min(...one.choice.space.prices)));
  const { scales } = best?.contender.alternative ?? alternatives[0];
  const left = [
    ...(search?.isComplete === true ? [] : ["budget" as const]),
    ...(isBatchSpaceCut ? ["batches" as const] : []),
    ...(alternatives.some((one) => isCutShort(one, cost)) ? ["replicas" as const] : []),
    ...notSearched(document, choice.slowsDown, scales, cheapest < cost),
  ];
  const { workload, run } = given.document;
  return {
    parameters: load,
    unit: choice.space.unit,
    alike: (search?.alike ?? []).map(({ document: one }) => one.scheduler),
    explored: { ...standing.explored, requests: laboratory.requests },
    notSearched: left,
    goals: goals.map(({ pipeline, latencyMs, share }) => ({
      pipeline,
      latencyMs,
      percentile: Number((share * 100).toPrecision(12)),
    })),
    best: best === null ? null : answerOf(best, load),
    runnersUp: (search?.runnersUp ?? []).map((one) => answerOf(one, load)),
    nearest: best !== null || nearest === null ? null : answerOf(nearest, load),
    allCheaperTried: (best === null || isConfirmed) && left.length === 0,
    state: best === null ? "none" : isConfirmed ? "confirmed" : "not confirmed",
    missing: standing.missing,
    stopped: search === null,
    isIdle: search?.isIdle === true,
    lowerBound: standing.bound,
    needed: isConfirmed ? null : standing.needed,
    tried: [...noted.values()].sort((a, b) => a.cost - b.cost),
    planned: best === null ? null : { ...best.contender.document, workload, run },
  };
}

function answerOf(tried: Tried, load: Parameters): Answer {
  const { alternative, shape, document } = tried.contender;
  const { parameters } = alternative;
  const { nodes } = alternative.document.cluster;
  const replicas = replicasOf(tried.contender);
  const machines = nodes?.map(({ name }, i) => [name, shape.machines[i]]);
  return {
    scheduler: document.scheduler,
    parameters,
    cost: costOfTried(tried),
    replicas,
    machines: machines === undefined ? null : Object.fromEntries(machines),
    placement: placementOf(alternative.document, document),
    replications: tried.trial.runs.length,
    kept: keptOf(tried.trial),
    point: pointOf({ ...load, ...parameters }, replicas, alternative.document, document),
  };
}

function pointOf(
  swept: Parameters,
  replicas: Answer["replicas"],
  given: ScenarioDocument,
  planned: ScenarioDocument,
): Point {
  const { nodes, placement } = planned.cluster;
  const ofCluster = Object.entries(replicas).map(([task, n]) => [`${REPLICAS}${task}`, n]);
  const { zones } = given.cluster.network ?? {};
  const isSame = (path: string) =>
    JSON.stringify(valueAtPath(planned, path)) === JSON.stringify(valueAtPath(given, path));
  const parts = (["models", "faults"] as const).filter((part) => !isSame(part));
  const kept = Object.entries(swept).filter(([path]) => {
    return isSame(path) || !parts.includes(path.split(".", 1)[0] as "models");
  });
  return {
    ...Object.fromEntries(parts.map((part) => [part, planned[part]])),
    ...Object.fromEntries(kept.map(sweptValue)),
    scheduler: planned.scheduler,
    ...Object.fromEntries(ofCluster),
    ...(nodes === undefined ? {} : { "cluster.nodes": nodes }),
    ...(placement === undefined ? {} : { "cluster.placement": placement }),
    ...(zones === undefined ? {} : { "cluster.network": planned.cluster.network }),
  };
}

/** Parameters show objects and lists as JSON. */
function sweptValue([path, value]: readonly [string, unknown]): readonly [string, unknown] {
  const isJson = typeof value === "string" && /^[[{]/.test(value);
  return [path, isJson ? JSON.parse(value) : value];
}

/** Machines that the plan leaves alone count as idle. */
function placementOf(
  { cluster: { nodes } }: ScenarioDocument,
  planned: ScenarioDocument,
): PlacementByKind | null {
  if (nodes === undefined) return null;
  const { placement = {} } = placementByNode(planned);
  const kinds = nodes.map(({ name, count, costPerHour }) => {
    const { machinesUsed, replicas } = placement[name] ?? { machinesUsed: 0, replicas: {} };
    const idleCostPerHour = (count - machinesUsed) * costPerHour;
    return [name, { machinesUsed, machines: count, idleCostPerHour, replicas }];
  });
  return Object.fromEntries(kinds);
}

function problemOf(
  loaded: LoadedScenario,
  combinations: readonly Swept[],
  inputs: SimulationInputs,
  options: PlanOptions & { readonly error: number },
): Problem {
  const { mostReplicas, schedulers, error, pace, known, solve, promise } = options;
  const goals = goalsOf(combinations[0].document);
  const isSchedulerSwept = axesOf(loaded).some(([path]) => path.split(".", 1)[0] === "scheduler");
  const choices = new Map<string, Choice>();
  const plain = combinations.flatMap(({ choice: parameters, document }) => {
    const choiceFor = (hosting: Hosting): Choice => {
      const key = JSON.stringify({ ...document, scheduler: hosting });
      const bounds = boundsOf(loaded, poolNames(document), mostReplicas);
      const space = () => new Space(document, bounds, hosting);
      const choice = choices.get(key) ?? choiceOf(document, inputs, space(), goals);
      choices.set(key, choice);
      return choice;
    };
    const own = document.scheduler;
    const others = isSchedulerSwept ? [] : schedulers.filter((preset) => preset !== own);
    const mayShare = canHostEverywhere(document);
    const of = (scheduler: ScenarioDocument["scheduler"]): Alternative => {
      const one = { ...document, scheduler };
      const apart = alternativeOf(one, parameters, choiceFor("apart"));
      if (!mayShare || !apart.placesModels) return apart;
      return alternativeOf(one, parameters, choiceFor("everywhere"));
    };
    return [of(own), ...others.flatMap((scheduler) => unlessRefused(() => of(scheduler)))];
  });
  const mayBatch = ({ document }: Alternative): boolean =>
    document.scheduler === "fifo" && !isSchedulerSwept && schedulers.length > 0;
  const batched = plain.filter(mayBatch).map(withBatches);
  const more = batched.flatMap(({ alternatives }) => alternatives);
  return {
    goals,
    alternatives: isSchedulerSwept ? plain.sort((a, b) => a.rank - b.rank) : [...plain, ...more],
    isBatchSpaceCut: batched.some(({ isCut }) => isCut),
    laboratory: new Laboratory(inputs, pace, known),
    error,
    solve,
    promise,
    standing: nothingFound(),
  };
}

/** None where the scheduler refuses the scenario. */
function unlessRefused(make: () => Alternative): readonly Alternative[] {
  try {
    return [make()];
  } catch (error) {
    if (error instanceof Fault && error.code === "invalid-input") return [];
    throw error;
  }
}
