/**
 * Facts about pipelines and their tasks for the hot path, one object each: an object's field is one
 * load, a typed array's element six.
 */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO, listOf } from "../basics/hot-path.ts";
import type { PipelineSystem, System, TaskSystem } from "../system/system.ts";
import type { Driver } from "./driver.ts";
import type { Notices } from "./notices.ts";
import type { Scheduler } from "./policies.ts";
import type { RequestAnswers, RequestChoices, RequestTable } from "./request-table.ts";
import type { RunLog } from "./run-log.ts";

/** Facts that a pipeline's requests have in common. */
class Course {
  /** Tasks that a request waits for; all tasks; and those with several predecessors. */
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

/** An ensemble: its number in its pipeline, and its members with their pools. */
export interface EnsembleStep {
  readonly number: number;
  readonly members: readonly number[];
  readonly pools: readonly number[];
}

/** One task of one pipeline. */
export class Step {
  readonly pool: number = 0;
  /** Null where there is no choice; a member of an ensemble has one. */
  declare readonly variants: readonly number[] | null;
  /** Null where it is no member of one. */
  declare readonly ensemble: EnsembleStep | null;
  readonly predecessors: number = 0;
  /** Predecessors that must have run before it starts; Infinity: all must have ended. */
  readonly needed: number = DOUBLE_ZERO;
  /** Tasks that it joins, if it joins several. */
  declare readonly before: readonly number[];
  /** Tasks that follow; of these, those that its first token lets start, and those that its end does. */
  declare readonly successors: readonly number[];
  declare readonly early: readonly number[];
  declare readonly late: readonly number[];
  readonly isSink: boolean = false;

  constructor(
    { pool, variants, predecessors, needed, successors, isSink }: TaskSystem,
    ensemble: EnsembleStep | null,
    early: readonly number[],
  ) {
    this.pool = pool;
    this.variants = variants.length > 1 || ensemble !== null ? variants : null;
    this.ensemble = ensemble;
    this.predecessors = predecessors.length;
    this.before = predecessors;
    this.needed = needed;
    this.successors = successors;
    this.isSink = isSink;
    this.early = early;
    this.late = early.length === 0 ? successors : successors.filter((one) => !early.includes(one));
  }
}

export class Steps {
  /** By pipeline << shift | task. */
  readonly at: readonly Step[];
  readonly pipelines: readonly Course[];
  /** Whether some model's times depend on the inputs. */
  readonly isSized: boolean;

  constructor({ pipelines, pools }: System, shift: number) {
    this.isSized = pools.some(({ inputScaling }) => inputScaling !== null);
    this.at = pipelines.flatMap(({ tasks, ensembles }) => {
      const groups = ensembles.map(
        ({ members }, number): EnsembleStep => ({
          number,
          members,
          pools: members.map((task) => tasks[task].pool),
        }),
      );
      // The places behind a pipeline's tasks are nobody's.
      return Array.from({ length: 1 << shift }, (_, task) => {
        const own = tasks[task] ?? tasks[0];
        const early = own.successors.filter((next) => tasks[next].afterFirstToken.includes(task));
        return new Step(own, groups[own.ensemble] ?? null, early);
      });
    });
    this.pipelines = listOf(pipelines, (pipeline) => new Course(pipeline));
  }

  of(job: number, { pipeline, shift, stride }: RequestTable): Step {
    return this.at[(pipeline[job >> shift] << shift) + (job & (stride - 1))];
  }
}

/** The state and the terms that all parts of one dispatcher share. */
export interface Shared {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly requests: RequestTable;
  readonly choices: RequestChoices;
  readonly answers: RequestAnswers;
  readonly steps: Steps;
  /** Null without controllers, and rules that hear of batches. */
  readonly notices: Notices | null;
  readonly driver: Driver;
  readonly log: RunLog | null;
}
