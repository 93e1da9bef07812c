/**
 * A scenario to its plans: for each load that it sweeps, and each of the alternatives that it sweeps
 * or that are tried without being asked for, the cheapest cluster that keeps the latency goals.
 *
 *   swept path            is
 *   cluster.replicas.T    the numbers of replicas that a task may have
 *   workload.…            a load to plan for
 *   pipelines.…, faults.… the same: what requests are, what is promised, what befalls the cluster
 *   any other             an alternative: a scheduler, a batch size, a model, a kind of machine
 */
import { taskNames } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import { isShared, placementByNode, tasksToPlace } from "../core/placement.ts";
import type { Estimate, Parameter, Placement } from "../core/results.ts";
import { scalingChoices } from "../core/scenario/check-changes.ts";
import { checkMemory } from "../core/scenario/check-cluster.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import type { ClusterDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { type Goal, goalsOf } from "../core/slo.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { PRESETS } from "../schedulers/registry.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { type Bounds, sum } from "./allocations.ts";
import { type CostUnit, type Machines, marketOf, roomOn, withoutLimits } from "./machines.ts";
import { cheapest, type Problem, type Search } from "./search.ts";
import { type Trial, tryOut } from "./trial.ts";

export interface PlanOptions {
  readonly mostReplicas: number;
  readonly mostTrials: number;
  /** Presets to try beside the scenario's scheduler, where no scheduler is swept. */
  readonly schedulers: readonly string[];
}

export type Parameters = Readonly<Record<string, Parameter>>;

export interface Candidate {
  readonly scheduler: ScenarioDocument["scheduler"];
  /** The swept values of the alternative. */
  readonly parameters: Parameters;
  readonly unit: CostUnit;
  readonly tasks: readonly string[];
  readonly search: Search<Trial>;
  /** Null without a solution. */
  readonly cost: number | null;
  readonly notSearched: readonly NotSearched[];
  /** Where the replicas run, among all machines that there are; null without a solution or nodes. */
  readonly placement: Placement | null;
}

export interface Plan {
  /** The load that it is for, as swept. */
  readonly parameters: Parameters;
  readonly goals: readonly Goal[];
  readonly candidates: readonly Candidate[];
}

interface Step {
  readonly done: number;
  readonly of: number;
}

interface Alternative {
  readonly load: Parameters;
  readonly choice: Parameters;
  readonly document: ScenarioDocument;
}

/**
 * Yields before each candidate and after each trial. Throws Fault("invalid-input") for a scenario
 * without goals, with a placement of its own or with faults of single machines, and as
 * `checkedSweep` and `marketOf` do.
 */
export function* makePlans(
  loaded: LoadedScenario,
  inputs: SimulationInputs,
  options: PlanOptions,
): Generator<Step, readonly Plan[]> {
  const alternatives = alternativesOf(loaded, inputs, options.schedulers);
  const plans = new Map<string, { plan: Plan; candidates: Candidate[] }>();
  for (const [done, { load, choice, document }] of alternatives.entries()) {
    refuse(document, loaded.file);
    const key = JSON.stringify(load);
    let entry = plans.get(key);
    if (entry === undefined) {
      const candidates: Candidate[] = [];
      entry = { candidates, plan: { parameters: load, goals: goalsOf(document), candidates } };
      plans.set(key, entry);
    }
    const step = { done, of: alternatives.length };
    yield step;
    const { problem, unit, tasks, on } = problemOf(loaded, document, inputs, options);
    const steps = cheapest(problem);
    let next = steps.next();
    for (; next.done !== true; next = steps.next()) yield step;
    const search = next.value;
    entry.candidates.push({
      ...{ scheduler: document.scheduler, parameters: choice, unit, tasks, search },
      cost: costOf(document, search),
      notSearched: notSearched(document, inputs, problem, search),
      placement: placementOf(document, on, search),
    });
  }
  return [...plans.values()].map(({ plan, candidates }) => ({
    ...plan,
    candidates: ranked(candidates),
  }));
}

/** Machines that scaling switches off are not billed meanwhile. */
function costOf({ scheduler }: ScenarioDocument, { found }: Search<Trial>): number | null {
  if (found === null) return null;
  const { machines, trial } = found;
  const averaged = scalingChoices(scheduler).length > 0 ? trial.costPerHour : null;
  return averaged ?? machines.cost;
}

/** Machines that the plan leaves alone count as idle. */
function placementOf(
  { cluster: { nodes } }: ScenarioDocument,
  on: ClusterOf,
  { found }: Search<Trial>,
): Placement | null {
  if (found === null || nodes === undefined) return null;
  const { placement = {} } = placementByNode(on(found.machines.nodes, found.replicas));
  const kinds = nodes.map(({ name, count, costPerHour }) => {
    const { machinesUsed, replicas } = placement[name] ?? { machinesUsed: 0, replicas: {} };
    const idleCostPerHour = (count - machinesUsed) * costPerHour;
    return [name, { machinesUsed, machines: count, idleCostPerHour, replicas }];
  });
  return Object.fromEntries(kinds);
}

/**
 * The cheapest first; of those that cost the same, the simplest. Last come those that clearly have
 * fewer requests within their goals: the interval lies below that of another.
 */
function ranked(candidates: readonly Candidate[]): readonly Candidate[] {
  const keys = candidates.map((candidate) => {
    const { cost, search, scheduler } = candidate;
    if (search.found === null) return [Number.POSITIVE_INFINITY, 0, 0];
    const { mean, halfWidth95 } = attainment(search.found.trial);
    const least = candidates.map((other) =>
      other.search.found === null || other.cost !== cost ? 0 : lowest(other.search.found.trial),
    );
    const isWorse = mean + halfWidth95 < Math.max(...least);
    return [cost ?? 0, Number(isWorse), isWorse ? -mean : simplicity(scheduler)];
  });
  const order = [...candidates.keys()].sort((a, b) => {
    const differs = keys[a].findIndex((key, i) => key !== keys[b][i]);
    return differs < 0 ? a - b : keys[a][differs] - keys[b][differs];
  });
  return order.map((i) => candidates[i]);
}

/** The attainment of the pipeline that keeps its goal the least. */
function attainment({ kept }: Trial): Estimate {
  return kept.map((goal) => goal.attainment).reduce((a, b) => (b.mean < a.mean ? b : a));
}

function lowest(trial: Trial): number {
  const { mean, halfWidth95 } = attainment(trial);
  return mean - halfWidth95;
}

/** The place among the presets; all else comes after them. */
function simplicity(scheduler: unknown): number {
  const names = Object.keys(PRESETS);
  const place = names.indexOf(String(scheduler));
  return place < 0 ? names.length : place;
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

function alternativesOf(
  loaded: LoadedScenario,
  { own }: SimulationInputs,
  presets: readonly string[],
): Alternative[] {
  const { sweep } = loaded.document;
  if (sweep !== undefined && "points" in sweep && Array.isArray(sweep.points)) {
    throw new Fault("invalid-input", `${loaded.file}: sweep.points is no grid to plan with`, {
      hint: "sweep `path: [values]`",
    });
  }
  const axes = Object.entries(sweep ?? {}).filter(([path]) => !path.startsWith(REPLICAS));
  const { sweep: _, ...fixed } = loaded.document;
  const document = axes.length === 0 ? fixed : { ...fixed, sweep: Object.fromEntries(axes) };
  const grid = checkedSweep({ ...loaded, document } as LoadedScenario, {
    checkScheduler: (scheduler, path) => checkScheduler(scheduler, path, own),
  });
  const isScheduler = axes.some(([path]) => path.split(".", 1)[0] === "scheduler");
  return Array.from({ length: grid.count }, (_unused, index) => grid.at(index)).flatMap(
    ({ parameters, document: one }) => {
      const entries = Object.entries(parameters);
      const load = Object.fromEntries(entries.filter(([path]) => isLoad(path)));
      const choice = Object.fromEntries(entries.filter(([path]) => !isLoad(path)));
      const others = isScheduler ? [] : presets.filter((preset) => preset !== one.scheduler);
      return [one.scheduler, ...others].map((scheduler) => ({
        load,
        choice,
        document: { ...one, scheduler },
      }));
    },
  );
}

function isLoad(path: string): boolean {
  return ["workload", "pipelines", "faults"].includes(path.split(".", 1)[0]);
}

/** The scenario with these machines and replicas. */
type ClusterOf = (nodes: Machines["nodes"], replicas: readonly number[]) => ScenarioDocument;

function problemOf(
  loaded: LoadedScenario,
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { mostReplicas, mostTrials }: PlanOptions,
) {
  const tasks = taskNames(document);
  const bounds = boundsOf(loaded, tasks, mostReplicas);
  const { nodes: _, ...cluster } = document.cluster;
  const most = bounds.high.reduce((total, replicas) => total + replicas, 0);
  const { unit, choices, alone } = marketOf(document.cluster, most);
  const goals = goalsOf(document);
  const on: ClusterOf = (nodes, replicas) => {
    const of = Object.fromEntries(tasks.map((task, i) => [task, replicas[i]]));
    const chosen = { ...cluster, replicas: of, ...(nodes === undefined ? {} : { nodes }) };
    return { ...document, cluster: chosen };
  };
  const sizesMb = tasksToPlace(document).map(({ model }) => model.memoryMb);
  const problem: Problem<Trial> = {
    ...{ bounds, choices, mostTrials, kinds: alone.length },
    roomOn: (machines) => roomOn(machines, sizesMb, bounds.high),
    trial: ({ nodes }, replicas) => {
      const candidate = on(nodes, replicas);
      return checkMemory(candidate).length > 0 ? null : tryOut(candidate, inputs, goals);
    },
    trialAlone: (kind, replicas) => tryOut(on(withoutLimits(alone[kind]), replicas), inputs, goals),
  };
  return { problem, unit, tasks, on };
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

/**
 * - `trials`: shapes beyond the bound on trials
 * - `placement`: other choices of which task runs on which kind of node
 * - `colocation`: other choices of which replicas share a machine, where they slow each other down or fail together
 * - `sharing`: more than one replica on a shared slot
 * - `scaling`: more machines, of which scaling switches more off
 */
export type NotSearched = "trials" | "placement" | "colocation" | "sharing" | "scaling";

type Node = NonNullable<ClusterDocument["nodes"]>[number];

/**
 * Clusters that the search leaves out and that may be cheaper than the found one; empty if all
 * cheaper ones were tried or ruled out. The search places replicas by the default rule, one a slot,
 * on all slots of its machines, and pays for all of those.
 */
function notSearched(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { bounds, choices }: Pick<Problem<unknown>, "bounds" | "choices">,
  { found, proven }: Search<unknown>,
): readonly NotSearched[] {
  const { nodes = [], network } = document.cluster;
  const { random = [], scheduled = [] } = document.faults ?? {};
  const nodesFail = [...random, ...scheduled].some(({ node }) => node !== undefined);
  const curves = [inputs.overheadProfile?.contention, ...nodes.map((node) => node.contention)];
  const cheaper = choices.filter(({ cost }) => found === null || cost < found.machines.cost);
  const isMixed = (some: readonly Node[] = []): boolean => kindsOf(document, some, nodesFail) > 1;
  // A single task takes all slots, if it may have as many replicas.
  const isChosen = ({ slots }: Machines): boolean =>
    bounds.high.length > 1 || slots > sum(bounds.high);
  const isLeftOut: Readonly<Record<NotSearched, boolean>> = {
    trials: !proven,
    placement: isMixed(nodes) && cheaper.some((one) => isChosen(one) && isMixed(one.nodes)),
    colocation:
      cheaper.length > 0 &&
      (curves.some((curve) => curve?.some((factor) => factor !== 1)) ||
        (nodes.length > 0 && (nodesFail || network?.links === "fair"))),
    sharing:
      cheaper.length > 0 && nodes.some(({ devices }) => Object.values(devices).some(isShared)),
    scaling: scalingChoices(document.scheduler).length > 0,
  };
  return (Object.keys(isLeftOut) as NotSearched[]).filter((name) => isLeftOut[name]);
}

/** Kinds of devices that differ in what they make of a task. */
function kindsOf({ models }: ScenarioDocument, nodes: readonly Node[], nodesFail: boolean): number {
  const byDevice = Object.values(models).some(({ profile }) => typeof profile === "object");
  const kinds = nodes.flatMap(({ name, devices, contention, zone, gbps }) =>
    Object.entries(devices).map(([kind, device]) => {
      const { speed, sharing } = typeof device === "number" ? { speed: 1 } : device;
      const own = [byDevice ? kind : "", nodesFail ? name : ""];
      return JSON.stringify([...own, speed, sharing, contention, zone, gbps]);
    }),
  );
  return new Set(kinds).size;
}
