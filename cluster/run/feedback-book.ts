/**
 * Requests that were answered lately, by the caller's name for them (`x-request-id`), so that feedback
 * finds the pools whose models gave the answer.
 */
import { Fault } from "../../core/fault.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest, TaskResult } from "./live-request.ts";

/** The oldest answers are forgotten first. */
const MAX_ANSWERS = 10_000;

/** A task of an answered request. */
export interface AnsweredTask {
  /** The request's slot in the dispatcher, which may serve another request by now. */
  readonly slot: number;
  readonly task: string;
  /** Pool of the replica that ran the task. */
  readonly pool: number;
  /** The labels of its answer. */
  readonly labels: readonly string[];
}

interface KeptAnswer {
  readonly requestId: string;
  readonly ran: readonly AnsweredTask[];
}

export class FeedbackBook {
  readonly #system: System;
  readonly #poolOf: ReadonlyMap<string, number>;
  /** A ring. Several have one name where elements of one body, or callers, share it. */
  readonly #answers: KeptAnswer[] = [];
  #next = 0;
  readonly #most: number;

  constructor(system: System, most = MAX_ANSWERS) {
    this.#system = system;
    this.#poolOf = new Map(system.replicas.map(({ name, pool }) => [name, pool]));
    this.#most = most;
  }

  /** A request was completed. Nobody judges imputed answers: no replica gave them. */
  keep({ context: { requestId }, pipeline, slot, results }: Answered): void {
    if (requestId === undefined) return;
    const { tasks } = this.#system.pipelines[pipeline];
    const ran = results.flatMap((result, task): AnsweredTask[] => {
      const pool = this.#poolOf.get(result?.timing.replica ?? "");
      if (result === null || pool === undefined) return [];
      return [{ slot, task: tasks[task].name, pool, labels: result.labels }];
    });
    this.#answers[this.#next] = { requestId, ran };
    this.#next = (this.#next + 1) % this.#most;
  }

  /** The tasks that ran, or the one of that name. Throws Fault("not-found") or Fault("invalid-input"). */
  find(requestId: string, task: string | undefined): readonly AnsweredTask[] {
    const answers = this.#answers.filter((answer) => answer.requestId === requestId);
    if (answers.length === 0) {
      const message = `no answered request has the id ${JSON.stringify(requestId)}`;
      const hint = `give the answer's x-request-id; the newest ${this.#most} answers of the present run are known`;
      throw new Fault("not-found", message, { hint });
    }
    const ran = answers.flatMap((answer) => answer.ran);
    // An ensemble's name stands for all its members, `task@model`.
    const found = ran.filter(
      (each) => task === undefined || each.task === task || each.task.startsWith(`${task}@`),
    );
    if (found.length > 0) return found;
    const message = `the request did not run ${task === undefined ? "any task" : `the task ${JSON.stringify(task)}`}`;
    const names = [...new Set(ran.map((each) => each.task))].join(", ");
    throw new Fault("invalid-input", message, names === "" ? {} : { hint: `it ran ${names}` });
  }
}

type Answered = Pick<LiveRequest, "context" | "pipeline" | "slot"> & {
  readonly results: readonly (
    | (Pick<TaskResult, "labels"> & { readonly timing: { readonly replica: string } })
    | null
  )[];
};
