/** Checks of pipelines as graphs and of what tasks ask of models. */
import type { Issue } from "../fault.ts";
import { didYouMean, issueAt, noSuch } from "./issues.ts";
import type { Parts, PipelineDocument, ScenarioDocument, TaskDocument } from "./schema.ts";

type Pipelines = ScenarioDocument["pipelines"];

/** Dangling names, cycles, joins, conditions and caches of every pipeline. */
export function checkGraphs({ pipelines }: Parts<"pipelines">): Issue[] {
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
  const chosen = Object.entries(tasks).flatMap(([name, { variants }]) => {
    if (variants === undefined || pipeline.discipline !== "pipeline-held") return [];
    const message = "a pipeline-held request holds one chain of replicas, without a choice";
    return [issueAt(`${at}.tasks.${name}.variants`, message, "`discipline: per-task` has one")];
  });
  return [...loops, ...perTask, ...chosen];
}

function checkTask(at: string, name: string, task: TaskDocument, tasks: Tasks): Issue[] {
  const issues: Issue[] = [];
  task.after.forEach((before, index) => {
    const path = `${at}.after.${index}`;
    if (!Object.hasOwn(tasks, before))
      issues.push(noSuch("task", path, before, Object.keys(tasks)));
    if (task.after.indexOf(before) < index) {
      issues.push(issueAt(path, `"${before}" is named twice in this list`));
    }
  });
  for (const before of Object.keys(task.edgeBytes)) {
    if (task.after.includes(before)) continue;
    const message = `no edge from "${before}": it is not in \`after\``;
    issues.push(issueAt(`${at}.edgeBytes.${before}`, message, didYouMean(before, task.after)));
  }
  issues.push(...checkJoin(at, task), ...checkEnsemble(at, name, task, tasks));
  if (task.after.length === 0 && task.when?.contains !== undefined) {
    const label = task.when.contains;
    const message = `no output to look in for "${label}": this task starts the pipeline`;
    const hint = "name the task that gives the output in `after`, or drop `contains`";
    issues.push(issueAt(`${at}.when.contains`, message, hint));
  }
  if (task.cache !== undefined) {
    const { hitRatio, content } = task.cache;
    if ((hitRatio === undefined) === (content === undefined)) {
      const given = content === undefined ? "neither" : "both";
      const message = `expected one of hitRatio and content, got ${given}`;
      const hint = "`hitRatio` draws hits; `content` keeps answers by content";
      issues.push(issueAt(`${at}.cache`, message, hint));
    }
  }
  const later = task.cache === undefined ? new Set<string>() : reachedFrom(tasks, [name]);
  later.delete(name);
  task.cache?.skips.forEach((skipped, index) => {
    const path = `${at}.cache.skips.${index}`;
    if (!Object.hasOwn(tasks, skipped)) {
      issues.push(noSuch("task", path, skipped, Object.keys(tasks)));
    } else if (!later.has(skipped)) {
      const message = `a hit cannot skip "${skipped}": it does not come after "${name}"`;
      issues.push(issueAt(path, message, didYouMean(skipped, later)));
    }
  });
  return issues;
}

/** The votes of an ensemble are its answer: what comes after it waits for them. */
function checkEnsemble(at: string, name: string, task: TaskDocument, tasks: Tasks): Issue[] {
  if (task.ensemble === undefined) return [];
  const issues: Issue[] = [];
  if (task.variants === undefined) {
    const hint = "`variants: [small, large]` lists models that answer the same requests";
    issues.push(issueAt(`${at}.ensemble`, "an ensemble needs `variants`", hint));
  }
  if (task.cache !== undefined) {
    issues.push(issueAt(`${at}.cache`, "an ensemble is no cache", "make the cache another task"));
  }
  const root = at.slice(0, at.lastIndexOf("."));
  for (const [other, { after, join, cache }] of Object.entries(tasks)) {
    if (after.includes(name) && join !== "all") {
      const message = `"${other}" follows the ensemble "${name}", which answers with all its votes`;
      issues.push(issueAt(`${root}.${other}.join`, message, "drop `join`"));
    }
    if (cache?.content !== undefined && cache.skips.includes(name)) {
      const message = `no answer of an ensemble is kept by content: "${name}"`;
      const hint = "`cache: { hitRatio: 0.3, skips: [...] }` draws hits";
      issues.push(
        issueAt(`${root}.${other}.cache.skips.${cache.skips.indexOf(name)}`, message, hint),
      );
    }
  }
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

/** Tasks of one name in several pipelines share replicas: same model, same payload, not held. */
export function checkSharing({ pipelines }: Parts<"pipelines">): Issue[] {
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
  for (const field of ["model", "variants", "ensemble", "payloadBytes"] as const) {
    const [wanted, got] = [first[field], task[field]].map(written);
    if (wanted === got) continue;
    const message = `${shares}: expected the same ${field}, ${wanted}, got ${got}`;
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

function written(value: unknown): string {
  const isMapping = typeof value === "object" && !Array.isArray(value);
  return isMapping ? JSON.stringify(value) : String(value ?? "none");
}

type Tasks = Readonly<Record<string, TaskDocument>>;

/** The tasks that a task waits for, without names in `after` that are no tasks. */
function predecessors(tasks: Tasks, task: string): readonly string[] {
  return tasks[task]!.after.filter((name) => Object.hasOwn(tasks, name));
}

/** Cycles in `after`, each as the names along it in order of execution, found once each. */
function cycles(tasks: Tasks): readonly (readonly string[])[] {
  const found: (readonly string[])[] = [];
  const finished = new Set<string>();
  for (const start of Object.keys(tasks)) {
    // Depth first with an explicit stack: a chain of thousands of tasks must not overflow ours.
    const trail: { readonly task: string; next: number }[] = [];
    const onTrail = new Set<string>();
    if (!finished.has(start)) trail.push({ task: start, next: 0 });
    onTrail.add(start);
    while (trail.length > 0) {
      const top = trail.at(-1)!;
      const before = predecessors(tasks, top.task)[top.next++];
      if (before === undefined) {
        finished.add(top.task);
        onTrail.delete(top.task);
        trail.pop();
      } else if (onTrail.has(before)) {
        const from = trail.findIndex((entry) => entry.task === before);
        found.push(
          trail
            .slice(from)
            .map((entry) => entry.task)
            .reverse(),
        );
      } else if (!finished.has(before)) {
        onTrail.add(before);
        trail.push({ task: before, next: 0 });
      }
    }
  }
  return found;
}

/** `from`, and all tasks after them, directly or not, on ways of tasks for which `passes` holds. */
function reachedFrom(
  tasks: Tasks,
  from: readonly string[],
  passes: (task: string) => boolean = () => true,
): Set<string> {
  const followers = new Map<string, string[]>();
  for (const name of Object.keys(tasks)) {
    for (const before of predecessors(tasks, name)) {
      const known = followers.get(before);
      if (known === undefined) followers.set(before, [name]);
      else known.push(name);
    }
  }
  const open = from.filter(passes);
  const reached = new Set(open);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const next of followers.get(name) ?? []) {
      if (reached.has(next) || !passes(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}

/** Tasks that some request can reach: not behind a `when` of probability 0 on every way. */
export function reachable(tasks: Tasks): ReadonlySet<string> {
  const entries = Object.keys(tasks).filter((name) => predecessors(tasks, name).length === 0);
  return reachedFrom(tasks, entries, (name) => tasks[name]!.when?.probability !== 0);
}
