/** Checks of scaling policies against the replicas that the cluster has room for. */
import { expectedSeconds } from "../arrivals/extent.ts";
import type { Issue } from "../fault.ts";
import { issueAt } from "./positions.ts";
import type { ScenarioDocument, SchedulerDocument } from "./schema.ts";

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

/** Bounds are in order and within the cluster, and no chain of replicas is held as they go. */
export function checkScaling({
  pipelines,
  cluster,
  scheduler,
}: Pick<ScenarioDocument, "pipelines" | "cluster" | "scheduler">): Issue[] {
  const issues: Issue[] = [];
  const own = new Set(typeof scheduler === "string" ? [] : ownTasks(scheduler));
  for (const { task, path, parameters } of scalingChoices(scheduler)) {
    const tasks = Object.entries(cluster.replicas).filter(([name]) =>
      task === null ? !own.has(name) : name === task,
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

/** More take minutes, in which little else may happen. */
const MOST_DECISIONS = 20_000_000;

/** As far as the scenario says how long a run takes, and how often a policy is asked. */
export function checkScalingIntervals({
  scheduler,
  workload,
  run,
}: Pick<ScenarioDocument, "scheduler" | "workload" | "run">): Issue[] {
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
