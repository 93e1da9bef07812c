import type { TaskSystem } from "../../core/system.ts";

/** The tasks that a task comes after, the nearest first: what they gave is its input. */
export function tasksBefore(
  tasks: readonly Pick<TaskSystem, "predecessors">[],
  task: number,
): readonly number[] {
  const found = [...tasks[task].predecessors];
  for (let i = 0; i < found.length; i++) {
    for (const before of tasks[found[i]].predecessors) {
      if (!found.includes(before)) found.push(before);
    }
  }
  return found;
}
