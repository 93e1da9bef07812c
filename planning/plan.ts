/**
 * A scenario to its plans: for each load that it sweeps, the cheapest cluster, placement and scheduler
 * that keep the latency goals.
 *
 *   swept path            is
 *   cluster.replicas.T    the numbers of replicas that a task may have
 *   workload.…            a load to plan for
 *   pipelines.…, faults.… the same: what requests are, what is promised, what befalls the cluster
 *   any other             an alternative: a scheduler, a batch size, a model, a kind of machine
 */

import { poolNames } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import { placementByNode } from "../core/placement.ts";
import type { Placement } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { type Goal, goalsOf } from "../core/slo.ts";
import { sumOf } from "../core/statistics/estimate.ts";
import { checkFit, checkScheduler } from "../schedulers/check-scheduler.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import {
  type Alternative,
  alternativeOf,
  type Choice,
  choiceOf,
  costOfTried,
  type Explored,
  type Parameters,
  type Problem,
  type Search,
  type Tried,
  withBatches,
} from "./contenders.ts";
import { exhaustive } from "./exhaustive.ts";
import { inferline } from "./inferline.ts";
import { canHostEverywhere, type NotSearched, notSearched } from "./not-searched.ts";
import { race } from "./race.ts";
import { type Bounds, type CostUnit, type Hosting, Space } from "./space.ts";
import { type Kept, keptOf, Laboratory } from "./trial.ts";

export type PlannerName = "race" | "inferline" | "exhaustive";

export const PLANNERS: Readonly<
  Record<PlannerName, (problem: Problem) => Generator<undefined, Search>>
> = { race, inferline, exhaustive };

export interface PlanOptions {
  readonly planner: PlannerName;
  readonly mostReplicas: number;
  readonly mostTrials: number;
  /** Presets to try beside the scenario's scheduler, where no scheduler is swept. */
  readonly schedulers: readonly string[];
}

/** One combination of scheduler and cluster. */
export interface Answer {
  readonly scheduler: ScenarioDocument["scheduler"];
  /** Values of the swept choices. */
  readonly parameters: Parameters;
  readonly cost: number;
  /** By task. */
  readonly replicas: Readonly<Record<string, number>>;
  /** Machines by node; null without nodes. */
  readonly machines: Readonly<Record<string, number>> | null;
  /** Where the replicas run, among all machines that there are; null without nodes. */
  readonly placement: Placement | null;
  readonly kept: readonly Kept[];
  readonly replications: number;
  /** With this cluster and scheduler. */
  readonly document: ScenarioDocument;
}

export interface Plan {
  /** The load that it is for, as swept. */
  readonly parameters: Parameters;
  readonly goals: readonly Goal[];
  readonly unit: CostUnit;
  /** Keeps the goals, on requests that the search had not seen; null without a solution. */
  readonly best: Answer | null;
  /** Others that keep the goals, on the requests of the search. */
  readonly runnersUp: readonly Answer[];
  /** Without a solution, the one that came nearest. */
  readonly nearest: Answer | null;
  /** Schedulers that serve request for request as that of the best does. */
  readonly alike: readonly ScenarioDocument["scheduler"][];
  readonly explored: Explored;
  readonly notSearched: readonly NotSearched[];
}

export interface Step {
  /** Plans. */
  readonly done: number;
  readonly of: number;
  /** Simulated for the plan at hand. */
  readonly requests: number;
}

/** One of the swept combinations. */
interface Swept {
  readonly load: Parameters;
  readonly choice: Parameters;
  readonly document: ScenarioDocument;
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
  const loads = new Map<string, Swept[]>();
  for (const swept of sweptOf(loaded, inputs)) {
    refuse(swept.document, loaded.file);
    const key = JSON.stringify(swept.load);
    loads.set(key, [...(loads.get(key) ?? []), swept]);
  }
  const plans: Plan[] = [];
  for (const combinations of loads.values()) {
    const step = { done: plans.length, of: loads.size };
    yield { ...step, requests: 0 };
    const { problem, isBatchSpaceCut } = problemOf(loaded, combinations, inputs, options);
    const steps = PLANNERS[options.planner](problem);
    let next = steps.next();
    for (; next.done !== true; next = steps.next()) {
      yield { ...step, requests: problem.laboratory.requests };
    }
    next.value.explored.requests = problem.laboratory.requests;
    plans.push(planOf(combinations[0], problem, next.value, inputs, isBatchSpaceCut));
  }
  return plans;
}

function planOf(
  { load, document }: Swept,
  { goals, alternatives }: Problem,
  search: Search,
  inputs: SimulationInputs,
  isBatchSpaceCut: boolean,
): Plan {
  const { best, runnersUp, nearest, alike, explored, isComplete } = search;
  const [{ choice }] = alternatives;
  const cost = best?.contender.shape.cost ?? Number.POSITIVE_INFINITY;
  const cheaper = alternatives.some((one) => one.choice.space.choices[0].cost < cost);
  const { scales } = best?.contender.alternative ?? alternatives[0];
  const left = notSearched(document, inputs, scales, cheaper);
  return {
    ...{ parameters: load, goals, unit: choice.space.unit, explored },
    best: best === null ? null : answerOf(best),
    runnersUp: runnersUp.map(answerOf),
    nearest: best !== null || nearest === null ? null : answerOf(nearest),
    alike: alike.map(({ document: one }) => one.scheduler),
    notSearched: [
      ...(isComplete ? [] : ["trials" as const]),
      ...(isBatchSpaceCut ? ["batches" as const] : []),
      ...left,
    ],
  };
}

function answerOf(tried: Tried): Answer {
  const { contender, trial } = tried;
  const { alternative, shape, document } = contender;
  const { tasks } = alternative.choice.space;
  const { nodes } = alternative.document.cluster;
  return {
    scheduler: document.scheduler,
    parameters: alternative.parameters,
    cost: costOfTried(tried),
    replicas: Object.fromEntries(tasks.map((task, i) => [task, sumOf(shape.rows[i])])),
    machines:
      nodes === undefined
        ? null
        : Object.fromEntries(nodes.map(({ name }, i) => [name, shape.machines[i]])),
    placement: placementOf(alternative.document, document),
    kept: keptOf(trial),
    replications: trial.runs.length,
    document,
  };
}

/** Machines that the plan leaves alone count as idle. */
function placementOf(
  { cluster: { nodes } }: ScenarioDocument,
  planned: ScenarioDocument,
): Placement | null {
  if (nodes === undefined) return null;
  const { placement = {} } = placementByNode(planned);
  const kinds = nodes.map(({ name, count, costPerHour }) => {
    const { machinesUsed, replicas } = placement[name] ?? { machinesUsed: 0, replicas: {} };
    const idleCostPerHour = (count - machinesUsed) * costPerHour;
    return [name, { machinesUsed, machines: count, idleCostPerHour, replicas }];
  });
  return Object.fromEntries(kinds);
}

function refuse(document: ScenarioDocument, file: string): void {
  if (goalsOf(document).length === 0) {
    throw new Fault("invalid-input", `${file}: no pipeline has a goal to plan for`, {
      hint: "give one an `slo: { latencyMs: 500, percentile: 99 }`",
    });
  }
  if (document.cluster.placement !== undefined) {
    throw new Fault("invalid-input", `${file}: cluster.placement says where each replica runs`, {
      hint: "leave it out, for that is what a plan looks for",
    });
  }
  const kinds = document.cluster.nodes?.map(({ name }) => name);
  const { random = [], scheduled = [] } = document.faults ?? {};
  const single = [...random, ...scheduled].flatMap(({ node, replica }) =>
    node === undefined || kinds?.includes(node) === true ? (replica ?? []) : node,
  );
  if (single.length > 0) {
    throw new Fault("invalid-input", `${file}: faults: a plan could do without ${single[0]}`, {
      hint: "name a kind of node, all of its machines, or a task",
    });
  }
}

const REPLICAS = "cluster.replicas.";

function sweptOf(loaded: LoadedScenario, { own }: SimulationInputs): readonly Swept[] {
  const { sweep } = loaded.document;
  if (sweep !== undefined && "points" in sweep && Array.isArray(sweep.points)) {
    throw new Fault("invalid-input", `${loaded.file}: sweep.points is no grid to plan with`, {
      hint: "sweep `path: [values]`",
    });
  }
  const axes = axesOf(loaded);
  const { sweep: _, ...fixed } = loaded.document;
  const document = axes.length === 0 ? fixed : { ...fixed, sweep: Object.fromEntries(axes) };
  const grid = checkedSweep({ ...loaded, document } as LoadedScenario, {
    checkScheduler: (scheduler, path, pipelines) => checkScheduler(scheduler, path, pipelines, own),
    checkFit,
  });
  return Array.from({ length: grid.count }, (_unused, index) => {
    const { parameters, document: one } = grid.at(index);
    const entries = Object.entries(parameters);
    const load = Object.fromEntries(entries.filter(([path]) => isLoad(path)));
    const choice = Object.fromEntries(entries.filter(([path]) => !isLoad(path)));
    return { load, choice, document: one };
  });
}

/** Everything swept but replicas. */
function axesOf({ document: { sweep } }: LoadedScenario): readonly [string, unknown][] {
  return Object.entries(sweep ?? {}).filter(([path]) => !path.startsWith(REPLICAS));
}

function isLoad(path: string): boolean {
  return ["workload", "pipelines", "faults"].includes(path.split(".", 1)[0]);
}

function problemOf(
  loaded: LoadedScenario,
  combinations: readonly Swept[],
  inputs: SimulationInputs,
  { planner, mostReplicas, mostTrials, schedulers }: PlanOptions,
): { readonly problem: Problem; readonly isBatchSpaceCut: boolean } {
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
    // The three actions of InferLine's planner are about replicas with slots of their own.
    const mayShare = planner !== "inferline" && canHostEverywhere(document);
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
  const more = planner === "inferline" ? [] : batched.flatMap(({ alternatives }) => alternatives);
  const problem: Problem = {
    ...{ goals, mayBatch, mostTrials },
    alternatives: [...plain, ...more],
    laboratory: new Laboratory(inputs),
  };
  const isBatchSpaceCut = batched.some(({ isCut }) => isCut);
  return { problem, isBatchSpaceCut: isBatchSpaceCut && planner !== "inferline" };
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

/** From 1 replica, or, where a task's are swept, from the fewest of those to the most. */
function boundsOf(
  { document: { sweep } }: LoadedScenario,
  tasks: readonly string[],
  mostReplicas: number,
): Bounds {
  const ranges = tasks.map((task) => {
    const axis = (sweep as Record<string, unknown> | undefined)?.[`${REPLICAS}${task}`];
    if (axis === undefined) return [1, mostReplicas];
    if (!Array.isArray(axis)) {
      const { from, to } = axis as { from: number; to: number };
      return [Math.max(1, from), to];
    }
    return [Math.max(1, Math.min(...axis)), Math.max(...axis)];
  });
  return { low: ranges.map(([low]) => low), high: ranges.map(([, high]) => high) };
}
