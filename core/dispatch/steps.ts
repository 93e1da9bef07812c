/**
 * The pipelines as flat tables, in which the hot path finds what comes next with few loads that
 * depend on one another: most branches of a run cannot be predicted, and wait for them. A step is
 * one task of one pipeline: step = pipeline << shift | task.
 */
import { DOUBLE_ZERO } from "../double-zero.ts";
import type { PipelineSystem, System, TaskSystem } from "../system.ts";

/** What a pipeline's requests have in common. */
class Course {
  /** Tasks without successors; all tasks; and those with several predecessors. */
  readonly sinks: number = 0;
  readonly tasks: number = 0;
  declare readonly joins: readonly number[];
  declare readonly entries: readonly number[];
  /** The one task that a request enters by, where no chains are held and nothing is joined; else −1. */
  readonly onlyEntry: number = 0;
  /** Latency goal, µs; NaN where each request draws a deadline of its own. */
  readonly goalUs: number = DOUBLE_ZERO;
  readonly priority: number = DOUBLE_ZERO;

  constructor({ tasks, sinkCount, entryTasks, held, deadlineMs, sloUs, priority }: PipelineSystem) {
    this.sinks = sinkCount;
    this.tasks = tasks.length;
    this.joins = tasks.flatMap(({ predecessors }, id) => (predecessors.length > 1 ? [id] : []));
    this.entries = entryTasks;
    const isPlain = !held && entryTasks.length === 1 && this.joins.length === 0;
    this.onlyEntry = isPlain ? entryTasks[0] : -1;
    this.goalUs = deadlineMs === null ? sloUs : Number.NaN;
    this.priority = priority;
  }
}

export class Steps {
  /** By step. */
  readonly pool = new Int32Array(0);
  readonly predecessors = new Int32Array(0);
  /** Predecessors that must have run before it starts; Infinity: all must have ended. */
  readonly needed = new Float64Array(0);
  /** Tasks that follow step s: successors[successorsAt[s] .. successorsAt[s + 1]). */
  readonly successors = new Int32Array(0);
  readonly successorsAt = new Int32Array(0);

  declare readonly pipelines: readonly Course[];

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
    this.pipelines = pipelines.map((pipeline) => new Course(pipeline));
  }
}
