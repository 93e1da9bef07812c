/**
 * The pipelines as flat tables, in which the hot path finds what comes next with few loads that
 * depend on one another: most branches of a run cannot be predicted, and wait for them. A step is
 * one task of one pipeline: step = pipeline << shift | task.
 */
import type { System, TaskSystem } from "../system.ts";

export class Steps {
  /** By step. */
  readonly pool = new Int32Array(0);
  readonly predecessors = new Int32Array(0);
  /** Predecessors that must have run before it starts; Infinity: all must have ended. */
  readonly needed = new Float64Array(0);
  /** Tasks that follow step s: successors[successorsAt[s] .. successorsAt[s + 1]). */
  readonly successors = new Int32Array(0);
  readonly successorsAt = new Int32Array(0);

  /** By pipeline. Tasks without successors; all tasks; and those with several predecessors. */
  readonly sinks = new Int32Array(0);
  readonly tasks = new Int32Array(0);
  readonly joins: readonly (readonly number[])[];
  readonly entries: readonly (readonly number[])[];
  /** The one task that a request enters by, where no chains are held and nothing is joined; else −1. */
  readonly onlyEntry = new Int32Array(0);
  /** Latency goal, µs; NaN where each request draws a deadline of its own. */
  readonly goalUs = new Float64Array(0);
  readonly priority = new Float64Array(0);

  constructor({ pipelines }: System, shift: number) {
    const tasks: (TaskSystem | undefined)[] = pipelines.flatMap((pipeline) =>
      Array.from({ length: 1 << shift }, (_, task) => pipeline.tasks[task]),
    );
    this.pool = Int32Array.from(tasks, (task) => task?.pool ?? 0);
    this.predecessors = Int32Array.from(tasks, (task) => task?.predecessors.length ?? 0);
    this.needed = Float64Array.from(tasks, (task) => task?.needed ?? 0);
    this.successors = Int32Array.from(tasks.flatMap((task) => task?.successors ?? []));
    this.successorsAt = new Int32Array(tasks.length + 1);
    tasks.forEach((task, step) => {
      const count = task?.successors.length ?? 0;
      this.successorsAt[step + 1] = this.successorsAt[step] + count;
    });
    this.sinks = Int32Array.from(pipelines, ({ sinkCount }) => sinkCount);
    this.tasks = Int32Array.from(pipelines, (pipeline) => pipeline.tasks.length);
    this.joins = pipelines.map((pipeline) =>
      pipeline.tasks.flatMap(({ predecessors }, task) => (predecessors.length > 1 ? [task] : [])),
    );
    this.entries = pipelines.map(({ entryTasks }) => entryTasks);
    this.onlyEntry = Int32Array.from(pipelines, ({ held, entryTasks }, id) =>
      held || entryTasks.length > 1 || this.joins[id].length > 0 ? -1 : entryTasks[0],
    );
    this.goalUs = Float64Array.from(pipelines, ({ deadlineMs, sloUs }) =>
      deadlineMs === null ? sloUs : Number.NaN,
    );
    this.priority = Float64Array.from(pipelines, ({ priority }) => priority);
  }
}
