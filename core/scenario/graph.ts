/** A pipeline's tasks as a graph; `after` entries that name no task are left out. */
import type { TaskDocument } from "./schema.ts";

export type Tasks = Readonly<Record<string, TaskDocument>>;

/** The tasks that a task waits for. */
export function predecessors(tasks: Tasks, task: string): readonly string[] {
  return tasks[task]!.after.filter((name) => Object.hasOwn(tasks, name));
}

/** Cycles in `after`, each as the names along it in order of execution, found once each. */
export function cycles(tasks: Tasks): readonly (readonly string[])[] {
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

/** All tasks that come after `task`, directly or not. */
export function descendants(tasks: Tasks, task: string): ReadonlySet<string> {
  const followers = new Map<string, string[]>();
  for (const name of Object.keys(tasks)) {
    for (const before of predecessors(tasks, name)) {
      followers.set(before, [...(followers.get(before) ?? []), name]);
    }
  }
  const reached = new Set<string>();
  const open = [task];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const next of followers.get(name) ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}

/** Tasks that some request can reach: not behind a `when` of probability 0 on every way. */
export function reachable(tasks: Tasks): ReadonlySet<string> {
  const reached = new Set<string>();
  for (let grew = true; grew; ) {
    grew = false;
    for (const [name, task] of Object.entries(tasks)) {
      if (reached.has(name) || task.when?.probability === 0) continue;
      const before = predecessors(tasks, name);
      if (before.length > 0 && !before.some((task) => reached.has(task))) continue;
      reached.add(name);
      grew = true;
    }
  }
  return reached;
}
