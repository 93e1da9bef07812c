/** Checks of what changes the cluster during a run: faults, and the bounds of scaling policies. */
import { expectedSeconds } from "../arrivals/extent.ts";
import type { Issue } from "../fault.ts";
import { sumOf } from "../statistics/estimate.ts";
import { isNumbered } from "./check-cluster.ts";
import { issueAt, noSuch } from "./issues.ts";
import type { FaultsDocument, Parts, ScenarioDocument, SchedulerDocument } from "./schema.ts";

type Entry = FaultsDocument["random"][number] | FaultsDocument["scheduled"][number];

export function checkFaults({ faults, cluster }: Parts<"faults" | "cluster">): Issue[] {
  if (faults === undefined) return [];
  const { random, scheduled } = faults;
  if (random.length + scheduled.length === 0) {
    return [issueAt("faults", "no fault: expected an entry in `random` or `scheduled`")];
  }
  const lists = { random, scheduled };
  return Object.entries(lists).flatMap(([list, entries]) =>
    entries.flatMap((entry, index) => {
      const at = `faults.${list}.${index}`;
      return [...checkFactor(entry, at), ...checkTarget(entry, cluster, at)];
    }),
  );
}

/** More faults take minutes, in which next to nothing is served. */
const MOST_FAULTS = 20_000_000;

/** Only where the scenario gives the length of a run. */
export function checkFaultRates({
  faults,
  cluster,
  workload,
  run,
}: Parts<"faults" | "cluster" | "workload" | "run">): Issue[] {
  const seconds = expectedSeconds(workload) + (run.maxDrainS ?? 0);
  return (faults?.random ?? []).flatMap((entry, index) => {
    const strikes = (seconds / (entry.mtbfS + entry.mttrS)) * targetsOf(entry, cluster);
    if (strikes <= MOST_FAULTS) return [];
    const message = `up to ${strikes.toPrecision(3)} faults a run of ${seconds} s`;
    const hint = `a run may have ${MOST_FAULTS.toLocaleString("en-US")}`;
    return [issueAt(`faults.random.${index}.mtbfS`, message, hint)];
  });
}

/** The number of machines or replicas that an entry names. */
function targetsOf(
  { node, task }: Entry,
  { nodes, replicas }: ScenarioDocument["cluster"],
): number {
  if (task !== undefined) return sumOf(replicasOf(task, replicas).map(([, count]) => count));
  return nodes?.find(({ name }) => name === node)?.count ?? 1;
}

/** The pools of a task or of one of its variants, with their replicas. */
function replicasOf(
  task: string,
  replicas: ScenarioDocument["cluster"]["replicas"],
): readonly (readonly [string, number])[] {
  return Object.entries(replicas).filter(([pool]) => pool === task || pool.startsWith(`${task}@`));
}

function checkFactor({ kind, factor }: Entry, at: string): Issue[] {
  if (kind === "slow" && factor === undefined) {
    return [issueAt(at, "a slow-down needs its `factor`", "for example `factor: 3`")];
  }
  if (kind === "slow" || factor === undefined) return [];
  return [issueAt(`${at}.factor`, `only \`kind: slow\` takes a factor, not ${kind}`)];
}

function checkTarget(
  { node, task, replica }: Entry,
  cluster: ScenarioDocument["cluster"],
  at: string,
): Issue[] {
  const given = [node, task, replica].filter((target) => target !== undefined).length;
  if (given !== 1) {
    const message = `expected one of \`node\`, \`task\` and \`replica\`, got ${given}`;
    return [issueAt(at, message)];
  }
  const tasks = Object.keys(cluster.replicas);
  if (task !== undefined) {
    const known = replicasOf(task, cluster.replicas).length > 0;
    return known ? [] : [noSuch("task", `${at}.task`, task, tasks)];
  }
  if (node !== undefined) return checkNode(node, cluster.nodes, `${at}.node`);
  return checkReplica(replica as string, cluster.replicas, `${at}.replica`);
}

function checkNode(
  node: string,
  nodes: ScenarioDocument["cluster"]["nodes"],
  path: string,
): Issue[] {
  if (nodes === undefined) {
    const hint = "or name a `task` or a `replica`";
    return [issueAt(path, "a fault of a node needs `cluster.nodes`", hint)];
  }
  const names = nodes.flatMap(({ name, count }) => [
    name,
    ...(count === 1 ? [] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`)),
  ]);
  if (names.includes(node)) return [];
  return [noSuch("node", path, node, names)];
}

function checkReplica(
  replica: string,
  replicas: ScenarioDocument["cluster"]["replicas"],
  path: string,
): Issue[] {
  const all = Object.entries(replicas);
  if (all.some(([task, count]) => isNumbered(replica, task, count))) return [];
  const hint = all
    .filter(([, count]) => count > 0)
    .map(([task, count]) => (count === 1 ? `${task}-1` : `${task}-1 … ${task}-${count}`));
  return [issueAt(path, `no replica is called "${replica}"`, `known: ${hint.join(", ")}`)];
}

/** A scaling policy that is not `fixed`, for one task or for all that have none of their own. */
interface ScalingChoice {
  /** null: all tasks without a choice of their own. */
  readonly task: string | null;
  readonly path: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export function scalingChoices(scheduler: SchedulerDocument): readonly ScalingChoice[] {
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
export function checkScaling({
  pipelines,
  cluster,
  scheduler,
}: Parts<"pipelines" | "cluster" | "scheduler">): Issue[] {
  const issues: Issue[] = [];
  const own = new Set(typeof scheduler === "string" ? [] : ownTasks(scheduler));
  for (const { task, path, parameters } of scalingChoices(scheduler)) {
    const tasks = Object.entries(cluster.replicas).filter(([name]) =>
      task === null
        ? !own.has(name) && !own.has(name.split("@")[0])
        : name === task || (name.startsWith(`${task}@`) && !own.has(name)),
    );
    const room = Math.max(0, ...tasks.map(([, replicas]) => replicas));
    issues.push(...checkBounds(parameters, room, task, path));
    for (const [name, { discipline, tasks: held }] of Object.entries(pipelines)) {
      if (discipline !== "pipeline-held") continue;
      if (!tasks.some(([scaled]) => Object.hasOwn(held, scaled))) continue;
      const message = `pipeline ${name} is pipeline-held: its chains of replicas cannot scale`;
      issues.push(issueAt(path, message, "`discipline: per-task` can"));
    }
  }
  return issues;
}

/** More decisions take minutes, in which little else may happen. */
const MOST_DECISIONS = 20_000_000;

/** Only where the scenario gives the length of a run and the interval of decisions. */
export function checkScalingIntervals({
  scheduler,
  workload,
  run,
}: Parts<"scheduler" | "workload" | "run">): Issue[] {
  const seconds = expectedSeconds(workload) + (run.maxDrainS ?? 0);
  return scalingChoices(scheduler).flatMap(({ path, parameters: { intervalS } }) => {
    if (typeof intervalS !== "number" || seconds <= intervalS * MOST_DECISIONS) return [];
    const decisions = (seconds / intervalS).toPrecision(3);
    const message = `${decisions} decisions a run of ${seconds} s`;
    const hint = `a run may have ${MOST_DECISIONS.toLocaleString("en-US")}`;
    return [issueAt(`${path}.intervalS`, message, hint)];
  });
}

function ownTasks(scheduler: Exclude<SchedulerDocument, string>): readonly string[] {
  return Object.entries(scheduler.perTask ?? {}).flatMap(([task, { scaling }]) =>
    scaling === undefined ? [] : [task],
  );
}

function checkBounds(
  parameters: ScalingChoice["parameters"],
  room: number,
  task: string | null,
  path: string,
): Issue[] {
  const numberAt = (key: string): number | undefined => {
    const value = parameters[key];
    return typeof value === "number" ? value : undefined;
  };
  const min = numberAt("min") ?? 1;
  const max = numberAt("max");
  const whose = task === null ? "any task" : task;
  const beyond = (["min", "max", "start"] as const).flatMap((key) => {
    const value = numberAt(key);
    if (value === undefined || value <= room) return [];
    const message = `expected up to ${room}, the replicas of ${whose} in the cluster, got ${value}`;
    return [
      issueAt(`${path}.${key}`, message, "raise `cluster.replicas`: it is what there is room for"),
    ];
  });
  if (max === undefined || min <= max) return beyond;
  return [...beyond, issueAt(`${path}.max`, `expected at least \`min\`, ${min}, got ${max}`)];
}
