/** The question of a plan: loads to plan for, choices to choose from, and replicas that tasks may have. */
import { Fault } from "../engine/basics/fault.ts";
import { goalsOf } from "../results/slo.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { checkFit, checkScheduler } from "../schedulers/check-scheduler.ts";
import { TEXTBOOK_PRESETS } from "../schedulers/registry.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { Parameters } from "./contenders.ts";
import { longRun } from "./run-length.ts";
import type { Bounds } from "./space.ts";
import { arrivalsOver, peakOf, type Window, windowed } from "./window.ts";

/** One of the swept combinations. */
export interface Swept {
  readonly load: Parameters;
  readonly choice: Parameters;
  readonly document: ScenarioDocument;
}

export function refuse(document: ScenarioDocument, file: string): void {
  if (goalsOf(document).length === 0) {
    throw new Fault("invalid-input", `${file}: no pipeline has an SLO to plan for`, {
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

export const REPLICAS = "cluster.replicas.";

export function sweptOf(loaded: LoadedScenario, { own }: SimulationInputs): readonly Swept[] {
  const { sweep } = loaded.document;
  if (sweep !== undefined && "points" in sweep && Array.isArray(sweep.points)) {
    throw new Fault("invalid-input", `${loaded.file}: sweep.points is no grid to plan with`, {
      hint: "sweep `path: [values]`: workload, pipelines and faults are loads, each with a plan; `cluster.replicas.TASK` bounds a task; of all else the plan chooses",
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
export function axesOf({ document: { sweep } }: LoadedScenario): readonly [string, unknown][] {
  return Object.entries(sweep ?? {}).filter(([path]) => !path.startsWith(REPLICAS));
}

function isLoad(path: string): boolean {
  return ["workload", "pipelines", "faults"].includes(path.split(".", 1)[0]);
}

/** From 1 replica, or, where a task's are swept, from the fewest of those to the most. */
export function boundsOf(
  { document: { sweep } }: LoadedScenario,
  tasks: readonly string[],
  mostReplicas: number,
): Bounds {
  const axisOf = (task: string): unknown =>
    (sweep as Record<string, unknown> | undefined)?.[`${REPLICAS}${task}`];
  const ranges = tasks.map((task) => {
    const axis = axisOf(task);
    if (axis === undefined) return [1, mostReplicas];
    const { from, to } = axis as { from: number; to: number };
    const values = Array.isArray(axis) ? axis : [from, to];
    return [Math.max(1, Math.min(...values)), Math.max(...values)];
  });
  const isCut = tasks.map((task) => axisOf(task) === undefined);
  return { low: ranges.map(([low]) => low), high: ranges.map(([, high]) => high), isCut };
}

/** For which requests the goals are to be kept. */
export interface Asked {
  /** The busiest part of a load that changes, or all of it. Default: peak. */
  readonly window?: "peak" | "whole";
  /** Requests as they come for ever, or runs as long as the scenario's that begin on an empty, whole cluster. Default: long-run. */
  readonly promise?: "long-run" | "runs";
}

/** The scenarios that are simulated for a plan: of the window, and as long as what is promised needs; a load with an end has no long run. */
export function askedOf(
  combinations: readonly Swept[],
  inputs: SimulationInputs,
  { window: asked = "peak", promise = "long-run" }: Asked,
): {
  readonly combinations: readonly Swept[];
  readonly inputs: SimulationInputs;
  readonly window: Window | null;
  readonly promise: NonNullable<Asked["promise"]>;
} {
  const [{ document: first }] = combinations;
  const arrivals = arrivalsOver(first, inputs);
  const window =
    arrivals === null || asked === "whole" || mayScale(first) ? null : peakOf(arrivals);
  let own = inputs;
  const changed = combinations.map((one) => {
    const part =
      window === null ? { document: one.document, inputs } : windowed(one.document, inputs, window);
    own = part.inputs;
    return { ...one, document: promise === "long-run" ? longRun(part.document) : part.document };
  });
  const promised = arrivals === null || window !== null ? promise : "runs";
  return { combinations: changed, inputs: own, window, promise: promised };
}

/** Replicas that come and go are planned for all of a load, since they follow it. */
function mayScale({ scheduler }: ScenarioDocument): boolean {
  const preset = typeof scheduler === "string" ? scheduler : scheduler.preset;
  return (
    (typeof scheduler === "object" && "scaling" in scheduler) ||
    !TEXTBOOK_PRESETS.includes(String(preset ?? "fifo"))
  );
}
