/** Requests answered lately, by `x-request-id`: feedback finds the pools whose models gave the answer. */
import { Fault } from "../../core/fault.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest, TaskResult } from "./live-request.ts";

/** The oldest answers are forgotten first. */
const MAX_ANSWERS = 10_000;

interface AnsweredTask {
  /** The request's slot in the dispatcher, which may serve another request by now. */
  readonly slot: number;
  readonly task: string;
  /** Pool of the replica that ran the task. */
  readonly pool: number;
  readonly labels: readonly string[];
}

type Answered = Pick<LiveRequest, "context" | "pipeline" | "slot"> & {
  readonly results: readonly (
    | (Pick<TaskResult, "labels"> & { readonly timing: { readonly replica: string } })
    | null
  )[];
};

export function feedbackBook({ pipelines, replicas }: System, most = MAX_ANSWERS) {
  const poolOf = new Map(replicas.map(({ name, pool }) => [name, pool]));
  /** A ring. Several have one id where elements of one body, or callers, share it. */
  const answers: { readonly id: string; readonly ran: readonly AnsweredTask[] }[] = [];
  let next = 0;
  return {
    /** A request was completed. Nobody judges imputed answers: no replica gave them. */
    keep({ context: { requestId: id }, pipeline, slot, results }: Answered): void {
      if (id === undefined) return;
      const { tasks } = pipelines[pipeline];
      const ran = results.flatMap((result, task): AnsweredTask[] => {
        const pool = poolOf.get(result?.timing.replica ?? "");
        if (result === null || pool === undefined) return [];
        return [{ slot, task: tasks[task].name, pool, labels: result.labels }];
      });
      answers[next] = { id, ran };
      next = (next + 1) % most;
    },

    /** The tasks that ran, or the one of that name. Throws Fault("not-found") or Fault("invalid-input"). */
    find(requestId: string, task: string | undefined): readonly AnsweredTask[] {
      const known = answers.filter(({ id }) => id === requestId);
      if (known.length === 0) {
        const message = `no answered request has the id ${JSON.stringify(requestId)}`;
        const hint = `give the answer's x-request-id; the newest ${most} answers of the present run are known`;
        throw new Fault("not-found", message, { hint });
      }
      const ran = known.flatMap((answer) => answer.ran);
      // An ensemble's name stands for all its members, `task@model`.
      const found = ran.filter(
        (each) => task === undefined || each.task === task || each.task.startsWith(`${task}@`),
      );
      if (found.length > 0) return found;
      const asked = task === undefined ? "any task" : `the task ${JSON.stringify(task)}`;
      const names = [...new Set(ran.map((each) => each.task))].join(", ");
      const hint = names === "" ? undefined : `it ran ${names}`;
      throw new Fault("invalid-input", `the request did not run ${asked}`, { hint });
    },
  };
}
