/** Checks of what changes the cluster during a run: faults, and the bounds of scaling policies. */
import { expectedSeconds } from "../../engine/arrivals/arrival-source.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { type Issues, issueAt, noSuch } from "../reading/issues.ts";
import type {
  ClusterDocument,
  FaultsDocument,
  Parts,
  SchedulerDocument,
} from "../schema/scenario.ts";
import { isNumbered } from "./check-cluster.ts";

type Replicas = ClusterDocument["replicas"];
type Entry = FaultsDocument["random"][number] | FaultsDocument["scheduled"][number];

export function* checkFaults({ faults, cluster }: Parts<"faults" | "cluster">): Issues {
  if (faults === undefined) return;
  const { random, scheduled } = faults;
  for (const [list, entries] of Object.entries({ random, scheduled })) {
    for (const [index, entry] of entries.entries()) {
      const at = `faults.${list}.${index}`;
      yield* checkFactor(at, entry);
      yield* checkTarget(at, entry, cluster);
    }
  }
}

/** More faults, or decisions, take minutes, in which next to nothing is served. */
const MOST_EVENTS = 20_000_000;
const EVENTS_HINT = `a run may have ${MOST_EVENTS.toLocaleString("en-US")}`;

/** Only where the scenario gives the length of a run. */
export function* checkFaultRates({
  faults,
  cluster,
  workload,
  run,
}: Parts<"faults" | "cluster" | "workload" | "run">): Issues {
  const seconds = expectedSeconds(workload) + (run.maxDrainS ?? 0);
  for (const [index, entry] of (faults?.random ?? []).entries()) {
    const strikes = (seconds / (entry.mtbfS + entry.mttrS)) * targetsOf(entry, cluster);
    if (strikes <= MOST_EVENTS) continue;
    const message = `up to ${strikes.toPrecision(3)} faults a run of ${seconds} s`;
    yield issueAt(`faults.random.${index}.mtbfS`, message, EVENTS_HINT);
  }
}

/** The number of machines or replicas that an entry names. */
function targetsOf({ node, task }: Entry, { nodes, replicas }: ClusterDocument): number {
  if (task !== undefined) return sumOf(replicasOf(task, replicas).map(([, count]) => count));
  return nodes?.find(({ name }) => name === node)?.count ?? 1;
}

/** The pools of a task or of one of its variants, with their replicas. */
function replicasOf(task: string, replicas: Replicas): readonly (readonly [string, number])[] {
  return Object.entries(replicas).filter(([pool]) => pool === task || pool.startsWith(`${task}@`));
}

function* checkFactor(at: string, { kind, factor }: Entry): Issues {
  if (kind === "slow" && factor === undefined) {
    yield issueAt(at, "a slow-down needs its `factor`", "for example `factor: 3`");
  } else if (kind !== "slow" && factor !== undefined) {
    yield issueAt(`${at}.factor`, `only \`kind: slow\` takes a factor, not ${kind}`);
  }
}

function* checkTarget(
  at: string,
  { node, task, replica }: Entry,
  cluster: ClusterDocument,
): Issues {
  const { replicas, nodes } = cluster;
  const given = [node, task, replica].filter((target) => target !== undefined).length;
  if (given !== 1) {
    yield issueAt(at, `expected one of \`node\`, \`task\` and \`replica\`, got ${given}`);
  } else if (task !== undefined) {
    if (replicasOf(task, replicas).length > 0) return;
    yield noSuch("task", `${at}.task`, task, Object.keys(replicas));
  } else if (node !== undefined) yield* checkNode(`${at}.node`, node, nodes);
  else yield* checkReplica(`${at}.replica`, replica as string, replicas);
}

function* checkNode(path: string, node: string, nodes: ClusterDocument["nodes"]): Issues {
  if (nodes === undefined) {
    yield issueAt(
      path,
      "a fault of a node needs `cluster.nodes`",
      "or name a `task` or a `replica`",
    );
    return;
  }
  const names = nodes.flatMap(({ name, count }) =>
    count === 1 ? name : [name, ...numbered(name, count)],
  );
  if (!names.includes(node)) yield noSuch("node", path, node, names);
}

function* checkReplica(path: string, replica: string, replicas: Replicas): Issues {
  const all = Object.entries(replicas);
  if (all.some(([task, count]) => isNumbered(replica, task, count))) return;
  const known = all
    .filter(([, count]) => count > 0)
    .map(([task, count]) => (count === 1 ? `${task}-1` : `${task}-1 … ${task}-${count}`));
  yield issueAt(path, `no replica is called "${replica}"`, `known: ${known.join(", ")}`);
}

function numbered(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i + 1}`);
}

/** A scaling policy that is not `fixed`, for one task or for all that have none of their own. */
interface ScalingChoice {
  /** null: all tasks without a choice of their own. */
  readonly task: string | null;
  readonly path: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

function scalingChoices(scheduler: SchedulerDocument): readonly ScalingChoice[] {
  if (typeof scheduler === "string") return [];
  const choices = [
    { task: null, path: "scheduler.scaling", choice: scheduler.scaling },
    ...Object.entries(scheduler.perTask ?? {}).map(([task, own]) => ({
      task,
      path: `scheduler.perTask.${task}.scaling`,
      choice: own.scaling,
    })),
  ];
  return choices.flatMap(({ task, path, choice }) => {
    if (choice === undefined) return [];
    const parameters = typeof choice === "string" ? { policy: choice } : choice;
    return parameters.policy === "fixed" ? [] : [{ task, path, parameters }];
  });
}

/** Bounds are in order and within the cluster, and no held chain loses a replica. */
export function* checkScaling({
  pipelines,
  cluster,
  scheduler,
}: Parts<"pipelines" | "cluster" | "scheduler">): Issues {
  const choices = scalingChoices(scheduler);
  const own = new Set(ownTasks(scheduler));
  for (const { task, path, parameters } of choices) {
    const scaled = Object.entries(cluster.replicas).filter(([pool]) =>
      task === null
        ? !own.has(pool) && !own.has(pool.split("@")[0])
        : pool === task || (pool.startsWith(`${task}@`) && !own.has(pool)),
    );
    const room = Math.max(0, ...scaled.map(([, replicas]) => replicas));
    yield* checkBounds(path, parameters, room, task ?? "any task");
    for (const [name, { discipline, tasks }] of Object.entries(pipelines)) {
      if (discipline !== "pipeline-held") continue;
      if (!scaled.some(([pool]) => Object.hasOwn(tasks, pool))) continue;
      const message = `pipeline ${name} is pipeline-held: its chains of replicas cannot scale`;
      yield issueAt(path, message, "`discipline: per-task` can");
    }
  }
}

/** Only where the scenario gives the length of a run and the interval of decisions. */
export function* checkScalingIntervals({
  scheduler,
  workload,
  run,
}: Parts<"scheduler" | "workload" | "run">): Issues {
  const seconds = expectedSeconds(workload) + (run.maxDrainS ?? 0);
  for (const { path, parameters } of scalingChoices(scheduler)) {
    const { intervalS } = parameters;
    if (typeof intervalS !== "number" || seconds <= intervalS * MOST_EVENTS) continue;
    const message = `${(seconds / intervalS).toPrecision(3)} decisions a run of ${seconds} s`;
    yield issueAt(`${path}.intervalS`, message, EVENTS_HINT);
  }
}

/** The tasks with a scaling policy of their own, `fixed` or not. */
function ownTasks(scheduler: SchedulerDocument): readonly string[] {
  const { perTask = {} } = typeof scheduler === "string" ? {} : scheduler;
  return Object.keys(perTask).filter((task) => perTask[task].scaling !== undefined);
}

function* checkBounds(
  path: string,
  parameters: ScalingChoice["parameters"],
  room: number,
  whose: string,
): Issues {
  for (const key of ["min", "max", "start"]) {
    const value = parameters[key];
    if (typeof value !== "number" || value <= room) continue;
    const message = `expected up to ${room}, the replicas of ${whose} in the cluster, got ${value}`;
    const hint = "raise `cluster.replicas`: it is what there is room for";
    yield issueAt(`${path}.${key}`, message, hint);
  }
  const { min, max } = parameters;
  const least = typeof min === "number" ? min : 1;
  if (typeof max !== "number" || least <= max) return;
  yield issueAt(`${path}.max`, `expected at least \`min\`, ${least}, got ${max}`);
}
