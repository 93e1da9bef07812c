/** Checks of pipelines as graphs and of what tasks ask of models. */
import type { Issue } from "../fault.ts";
import { cycles, descendants, type Tasks } from "./graph.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { PipelineDocument, ScenarioDocument, TaskDocument } from "./schema.ts";

type Pipelines = ScenarioDocument["pipelines"];

/** Dangling names, cycles, joins, conditions and caches of every pipeline. */
export function checkGraphs({ pipelines }: Pick<ScenarioDocument, "pipelines">): Issue[] {
  const names = Object.keys(pipelines);
  if (names.length === 0) return [issueAt("pipelines", "no pipeline: expected at least one")];
  return names.flatMap((name) => checkGraph(`pipelines.${name}`, pipelines[name]!));
}

function checkGraph(at: string, pipeline: PipelineDocument): Issue[] {
  const tasks = pipeline.tasks;
  if (Object.keys(tasks).length === 0) {
    return [issueAt(`${at}.tasks`, "no task: expected at least one")];
  }
  const loops = cycles(tasks).map((cycle) => {
    const first = cycle[0]!;
    const last = cycle.at(-1)!;
    const index = tasks[first]!.after.indexOf(last);
    const way = [...cycle, first].join(" -> ");
    const hint = "a pipeline must have no cycle; drop one `after` of these";
    return issueAt(`${at}.tasks.${first}.after.${index}`, `a cycle: ${way}`, hint);
  });
  const perTask = Object.entries(tasks).flatMap(([name, task]) =>
    checkTask(`${at}.tasks.${name}`, name, task, tasks),
  );
  return [...loops, ...perTask];
}

function checkTask(at: string, name: string, task: TaskDocument, tasks: Tasks): Issue[] {
  const issues: Issue[] = [];
  task.after.forEach((before, index) => {
    const path = `${at}.after.${index}`;
    if (!Object.hasOwn(tasks, before)) issues.push(noSuchTask(path, before, Object.keys(tasks)));
    if (task.after.indexOf(before) < index) {
      issues.push(issueAt(path, `"${before}" is named twice in this list`));
    }
  });
  for (const before of Object.keys(task.edgeBytes)) {
    if (task.after.includes(before)) continue;
    const message = `no edge from "${before}": it is not in \`after\``;
    issues.push(issueAt(`${at}.edgeBytes.${before}`, message, didYouMean(before, task.after)));
  }
  issues.push(...checkJoin(at, task));
  if (task.after.length === 0 && task.when?.contains !== undefined) {
    const label = task.when.contains;
    const message = `no output to look in for "${label}": this task starts the pipeline`;
    const hint = "name the task that gives the output in `after`, or drop `contains`";
    issues.push(issueAt(`${at}.when.contains`, message, hint));
  }
  const later = task.cache === undefined ? new Set<string>() : descendants(tasks, name);
  task.cache?.skips.forEach((skipped, index) => {
    const path = `${at}.cache.skips.${index}`;
    if (!Object.hasOwn(tasks, skipped)) {
      issues.push(noSuchTask(path, skipped, Object.keys(tasks)));
    } else if (!later.has(skipped) || skipped === name) {
      const message = `a hit cannot skip "${skipped}": it does not come after "${name}"`;
      issues.push(issueAt(path, message, didYouMean(skipped, later)));
    }
  });
  return issues;
}

function checkJoin(at: string, task: TaskDocument): Issue[] {
  const size = task.after.length;
  if (task.join === "all") return [];
  if (size === 0) {
    return [issueAt(`${at}.join`, "nothing to join: `after` is empty", "drop `join`")];
  }
  if (task.join === "first" || task.join.atLeast <= size) return [];
  const message = `expected at most ${size}, the length of \`after\`, got ${task.join.atLeast}`;
  return [issueAt(`${at}.join.atLeast`, message)];
}

/** The issue for a name that is no task. */
export function noSuchTask(path: string, name: string, known: Iterable<string>): Issue {
  return issueAt(path, `no task is called "${name}"`, didYouMean(name, known));
}

/** Tasks of one name in several pipelines share replicas: same model, same payload, not held. */
export function checkSharing({ pipelines }: Pick<ScenarioDocument, "pipelines">): Issue[] {
  const issues: Issue[] = [];
  const owners = new Map<string, { readonly pipeline: string; readonly task: TaskDocument }>();
  for (const [pipeline, { tasks }] of Object.entries(pipelines)) {
    for (const [name, task] of Object.entries(tasks)) {
      const first = owners.get(name);
      if (first === undefined) owners.set(name, { pipeline, task });
      else issues.push(...checkShared(pipelines, name, first.pipeline, pipeline));
    }
  }
  return issues;
}

function checkShared(
  pipelines: Pipelines,
  name: string,
  firstPipeline: string,
  pipeline: string,
): Issue[] {
  const first = pipelines[firstPipeline]!.tasks[name]!;
  const task = pipelines[pipeline]!.tasks[name]!;
  const at = `pipelines.${pipeline}.tasks.${name}`;
  const shares = `"${name}" shares replicas with pipeline ${firstPipeline}`;
  const hint = "give one of the two tasks another name";
  const issues: Issue[] = [];
  for (const field of ["model", "payloadBytes"] as const) {
    if (task[field] === first[field]) continue;
    const message = `${shares}: expected the same ${field}, ${first[field]}, got ${task[field]}`;
    issues.push(issueAt(`${at}.${field}`, message, hint));
  }
  const held = [firstPipeline, pipeline].find(
    (owner) => pipelines[owner]!.discipline === "pipeline-held",
  );
  if (held !== undefined) {
    issues.push(issueAt(at, `${shares}, but ${held} is pipeline-held and may not share`, hint));
  }
  return issues;
}
