/** Checks of pipelines as graphs and of what tasks ask of models. */

import { grouped } from "../../engine/basics/iterables.ts";
import { didYouMean, type Issues, issueAt, noSuch } from "../reading/issues.ts";
import { namesAfter } from "../schema/edges.ts";
import type {
  Parts,
  PipelineDocument,
  ScenarioDocument,
  TaskDocument,
} from "../schema/scenario.ts";

type Pipelines = ScenarioDocument["pipelines"];
type Tasks = PipelineDocument["tasks"];

/** Dangling names, cycles, joins, conditions and caches of every pipeline. */
export function* checkGraphs({ pipelines }: Parts<"pipelines">): Issues {
  const all = Object.entries(pipelines);
  if (all.length === 0) yield issueAt("pipelines", "no pipeline: expected at least one");
  for (const [name, pipeline] of all) yield* checkGraph(`pipelines.${name}.tasks`, pipeline);
}

function* checkGraph(at: string, { tasks, discipline }: PipelineDocument): Issues {
  if (Object.keys(tasks).length === 0) yield issueAt(at, "no task: expected at least one");
  for (const cycle of cycles(tasks)) {
    const [first] = cycle;
    const index = namesAfter(tasks[first]).indexOf(cycle.at(-1) as string);
    const way = [...cycle, first].join(" -> ");
    const hint = "a pipeline must have no cycle; drop one `after` of these";
    yield issueAt(`${at}.${first}.after.${index}`, `a cycle: ${way}`, hint);
  }
  for (const [name, task] of Object.entries(tasks)) {
    yield* checkEdges(`${at}.${name}`, task, tasks);
    yield* checkJoin(`${at}.${name}.join`, task);
    yield* checkCache(`${at}.${name}.cache`, name, task, tasks);
    yield* checkEnsemble(at, name, task, tasks);
    if (task.variants !== undefined && discipline === "pipeline-held") {
      const message = "a pipeline-held request holds one chain of replicas, without a choice";
      yield issueAt(`${at}.${name}.variants`, message, "`discipline: per-task` has one");
    }
  }
}

function* checkEdges(at: string, task: TaskDocument, tasks: Tasks): Issues {
  const { edgeBytes, when } = task;
  const after = namesAfter(task);
  for (const [index, before] of after.entries()) {
    const path = `${at}.after.${index}`;
    if (!Object.hasOwn(tasks, before)) yield noSuch("task", path, before, Object.keys(tasks));
    if (after.indexOf(before) < index) {
      yield issueAt(path, `"${before}" is named twice in this list`);
    }
  }
  for (const before of Object.keys(edgeBytes)) {
    if (after.includes(before)) continue;
    const message = `no edge from "${before}": it is not in \`after\``;
    yield issueAt(`${at}.edgeBytes.${before}`, message, didYouMean(before, after));
  }
  if (after.length === 0 && when?.contains !== undefined) {
    const message = `no output to look in for "${when.contains}": this task starts the pipeline`;
    const hint = "name the task that gives the output in `after`, or drop `contains`";
    yield issueAt(`${at}.when.contains`, message, hint);
  }
}

function* checkJoin(at: string, { join, after }: TaskDocument): Issues {
  if (join === "all") return;
  if (after.length === 0) {
    yield issueAt(at, "nothing to join: `after` is empty", "drop `join`");
  } else if (join !== "first" && join.atLeast > after.length) {
    const message = `expected at most ${after.length}, the length of \`after\`, got ${join.atLeast}`;
    yield issueAt(`${at}.atLeast`, message);
  }
}

function* checkCache(at: string, name: string, { cache }: TaskDocument, tasks: Tasks): Issues {
  if (cache === undefined) return;
  const { hitRatio, content, skips } = cache;
  if ((hitRatio === undefined) === (content === undefined)) {
    const given = content === undefined ? "neither" : "both";
    const message = `expected one of hitRatio and content, got ${given}`;
    yield issueAt(at, message, "`hitRatio` draws hits; `content` keeps answers by content");
  }
  const later = reachedFrom(tasks, [name]);
  later.delete(name);
  for (const [index, skipped] of skips.entries()) {
    const path = `${at}.skips.${index}`;
    if (!Object.hasOwn(tasks, skipped)) {
      yield noSuch("task", path, skipped, Object.keys(tasks));
    } else if (!later.has(skipped)) {
      const message = `a hit cannot skip "${skipped}": it does not come after "${name}"`;
      yield issueAt(path, message, didYouMean(skipped, later));
    }
  }
}

/** The votes of an ensemble are its answer: what comes after it waits for them. */
function* checkEnsemble(at: string, name: string, task: TaskDocument, tasks: Tasks): Issues {
  if (task.ensemble === undefined) return;
  if (task.variants === undefined) {
    const hint = "`variants: [small, large]` lists models that answer the same requests";
    yield issueAt(`${at}.${name}.ensemble`, "an ensemble needs `variants`", hint);
  }
  if (task.cache !== undefined) {
    yield issueAt(`${at}.${name}.cache`, "an ensemble is no cache", "make the cache another task");
  }
  for (const [other, task] of Object.entries(tasks)) {
    const { join, cache } = task;
    if (namesAfter(task).includes(name) && join !== "all") {
      const message = `"${other}" follows the ensemble "${name}", which answers with all its votes`;
      yield issueAt(`${at}.${other}.join`, message, "drop `join`");
    }
    if (cache?.content !== undefined && cache.skips.includes(name)) {
      const path = `${at}.${other}.cache.skips.${cache.skips.indexOf(name)}`;
      const message = `no answer of an ensemble is kept by content: "${name}"`;
      yield issueAt(path, message, "`cache: { hitRatio: 0.3, skips: [...] }` draws hits");
    }
  }
}

/** Tasks of one name in several pipelines share replicas: same model, same payload, not held. */
export function* checkSharing({ pipelines }: Parts<"pipelines">): Issues {
  const owners = new Map<string, string>();
  for (const [pipeline, { tasks }] of Object.entries(pipelines)) {
    for (const name of Object.keys(tasks)) {
      const first = owners.get(name);
      if (first === undefined) owners.set(name, pipeline);
      else yield* checkShared(pipelines, name, first, pipeline);
    }
  }
}

function* checkShared(pipelines: Pipelines, name: string, first: string, other: string): Issues {
  const [one, two] = [first, other].map((pipeline) => pipelines[pipeline].tasks[name]);
  const at = `pipelines.${other}.tasks.${name}`;
  const shares = `"${name}" shares replicas with pipeline ${first}`;
  const hint = "give one of the two tasks another name";
  for (const field of ["model", "variants", "ensemble", "payloadBytes"] as const) {
    const [wanted, got] = [one[field], two[field]].map(written);
    if (wanted === got) continue;
    const message = `${shares}: expected the same ${field}, ${wanted}, got ${got}`;
    yield issueAt(`${at}.${field}`, message, hint);
  }
  const held = [first, other].find((owner) => pipelines[owner].discipline === "pipeline-held");
  if (held !== undefined) {
    yield issueAt(at, `${shares}, but ${held} is pipeline-held and may not share`, hint);
  }
}

function written(value: unknown): string {
  const isMapping = typeof value === "object" && !Array.isArray(value);
  return isMapping ? JSON.stringify(value) : String(value ?? "none");
}

/** The tasks that a task waits for, without names in `after` that are no tasks. */
function predecessors(tasks: Tasks, task: string): readonly string[] {
  return namesAfter(tasks[task]).filter((name) => Object.hasOwn(tasks, name));
}

/** Cycles in `after`, each as the names along it in order of execution, found once each. */
function cycles(tasks: Tasks): readonly (readonly string[])[] {
  const found: (readonly string[])[] = [];
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (task: string): void => {
    if (finished.has(task)) return;
    const from = trail.indexOf(task);
    if (from >= 0) {
      found.push(trail.slice(from).reverse());
      return;
    }
    trail.push(task);
    for (const before of predecessors(tasks, task)) visit(before);
    trail.pop();
    finished.add(task);
  };
  for (const task of Object.keys(tasks)) visit(task);
  return found;
}

/** `from`, and all tasks after them, directly or not, on ways of tasks for which `passes` holds. */
function reachedFrom(
  tasks: Tasks,
  from: readonly string[],
  passes: (task: string) => boolean = () => true,
): Set<string> {
  const edges = Object.keys(tasks).flatMap((task) =>
    predecessors(tasks, task).map((before) => ({ before, task })),
  );
  const followers = grouped(edges, ({ before }) => before);
  const reached = new Set(from.filter(passes));
  // The loop also comes to the tasks that it adds.
  for (const name of reached) {
    for (const { task } of followers.get(name) ?? []) if (passes(task)) reached.add(task);
  }
  return reached;
}

/** Tasks that some request can reach: not behind a `when` of probability 0 on every way. */
export function reachable(tasks: Tasks): ReadonlySet<string> {
  const entries = Object.keys(tasks).filter((name) => predecessors(tasks, name).length === 0);
  return reachedFrom(tasks, entries, (name) => tasks[name].when?.probability !== 0);
}
