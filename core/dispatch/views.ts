/** Cursors over the dispatcher's arrays, by which rules and controllers see jobs and queues. */
// Hot path: see docs/hot-path.md
import type { JobView, QueueView } from "./controller.ts";
import type { JobQueues } from "./job-queues.ts";
import type { RequestChoices, RequestTable } from "./request-table.ts";
import type { Shared, Steps } from "./steps.ts";

export class JobCursor implements JobView {
  job = 0;
  declare private readonly table: RequestTable;
  declare private readonly choices: RequestChoices;
  declare private readonly steps: Steps;

  constructor({ requests, choices, steps }: Shared) {
    this.table = requests;
    this.choices = choices;
    this.steps = steps;
  }

  at(job: number): JobView {
    this.job = job;
    return this;
  }

  get request(): number {
    return this.table.requestOf(this.job);
  }

  get task(): number {
    return this.table.taskOf(this.job);
  }

  get pipeline(): number {
    return this.table.pipeline[this.request];
  }

  get arrivedUs(): number {
    return this.table.arrivedUs[this.request];
  }

  get enteredUs(): number {
    return this.table.enqueuedUs[this.job];
  }

  get deadlineUs(): number {
    return this.table.deadlineUs[this.request];
  }

  get inputSize(): number {
    return this.table.inputSize[this.request];
  }

  get priority(): number {
    const own = this.choices.any ? this.choices.priority(this.request) : null;
    return own ?? this.steps.pipelines[this.pipeline].priority;
  }
}

export class QueueCursor implements QueueView {
  private id = 0;
  declare private readonly queues: JobQueues;
  declare private readonly cursor: JobCursor;

  constructor(queues: JobQueues, cursor: JobCursor) {
    this.queues = queues;
    this.cursor = cursor;
  }

  at(queue: number): QueueView {
    this.id = queue;
    return this;
  }

  get length(): number {
    return this.queues.lengthOf(this.id);
  }

  get oldestUs(): number {
    return this.queues.oldestUs(this.id);
  }

  get next(): JobView {
    return this.cursor.at(this.queues.peek(this.id));
  }
}
