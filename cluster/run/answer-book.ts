/**
 * Answers that the gateway keeps, in bounded tables in memory: by idempotency key, so that callers with one key
 * share one run or get its result later; and by `x-request-id`, so that feedback finds the models behind an answer.
 * Inference has no side effects, so a result that is no longer there is computed again.
 */
import { Fault } from "../../engine/basics/fault.ts";
import type { System } from "../../engine/system/system.ts";
import type { Clock } from "../time/clock.ts";
import {
  type Answer,
  Caller,
  contentsHash,
  detachedRequest,
  type LiveRequest,
  ownResult,
  type Submission,
  type TaskResult,
} from "./live-request.ts";
import type { ServiceBounds } from "./specification.ts";

const MAX_KEY_LENGTH = 255;
/** Size of an entry without its contents. */
const ENTRY_BYTES = 500;

interface KeptAnswer {
  readonly fingerprint: string;
  readonly index: number | null;
  readonly arrivedUs: number;
  readonly endedUs: number;
  readonly results: readonly (TaskResult | null)[];
  /** By the clock, at the answer. */
  readonly atUs: number;
  readonly bytes: number;
}

/** The running request of a key, with all callers that wait for its answer. */
interface SharedRequest {
  readonly fingerprint: string;
  readonly callers: Set<Caller>;
  /** Gives up the request. */
  cancel: () => void;
}

export class AnswerBook {
  readonly #bounds: ServiceBounds["keys"];
  readonly #clock: Clock;
  readonly #running = new Map<string, SharedRequest>();
  /** The oldest first. */
  readonly #kept = new Map<string, KeptAnswer>();
  #keptBytes = 0;

  constructor(bounds: ServiceBounds["keys"], clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  /** Keys with a kept answer. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * `start` runs the request with a function for its answer, and returns a function that gives it up; its
   * errors are rethrown. Throws Fault("invalid-input") for a malformed key, or one of another request.
   */
  ask(
    key: string,
    submission: Submission,
    start: (answer: (given: Answer) => void) => () => void,
  ): Caller {
    if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
      throw new Fault("invalid-input", `an idempotency key has 1 to ${MAX_KEY_LENGTH} characters`);
    }
    this.#dropBeyondBounds();
    const { pipeline, index } = submission;
    const fingerprint = contentsHash(submission, pipeline, index);
    const running = this.#running.get(key);
    const kept = this.#kept.get(key);
    const known = running ?? kept;
    if (known !== undefined && known.fingerprint !== fingerprint) {
      throw new Fault("invalid-input", "this idempotency key was used for another request", {
        hint: "use a new key for each request, and the same only to try the same request again",
      });
    }
    const caller = new Caller(submission, this.#clock);
    if (running !== undefined) {
      running.callers.add(caller);
      return this.#wait(key, running, caller);
    }
    if (kept !== undefined) return answerAgain(submission, kept, caller, this.#clock);
    const callers = new Set([caller]);
    const shared: SharedRequest = { fingerprint, callers, cancel: () => undefined };
    this.#running.set(key, shared);
    try {
      shared.cancel = start((given) => this.#answered(key, shared, given));
    } catch (error) {
      this.#running.delete(key);
      throw error;
    }
    return this.#wait(key, shared, caller);
  }

  #answered(key: string, shared: SharedRequest, given: Answer): void {
    if (this.#running.get(key) === shared) this.#running.delete(key);
    if (given.outcome === "completed") this.#keep(key, shared.fingerprint, given);
    for (const caller of shared.callers) caller.answer(given);
  }

  /** The request is given up with its last caller; the key is then free again. */
  #wait(key: string, shared: SharedRequest, caller: Caller): Caller {
    return caller.waits(() => {
      shared.callers.delete(caller);
      if (shared.callers.size > 0) return;
      if (this.#running.get(key) === shared) this.#running.delete(key);
      shared.cancel();
    });
  }

  #keep(key: string, fingerprint: string, { request, endedUs }: Answer): void {
    const { index, arrivedUs } = request;
    const results = request.results.map((result) => (result === null ? null : ownResult(result)));
    const bytes = ENTRY_BYTES + results.reduce((sum, result) => sum + bytesOf(result), 0);
    const atUs = this.#clock.nowUs();
    this.#kept.set(key, { fingerprint, index, arrivedUs, endedUs, results, atUs, bytes });
    this.#keptBytes += bytes;
    this.#dropBeyondBounds();
  }

  #dropBeyondBounds(): void {
    const { keepMs, maxKeys, maxBytes } = this.#bounds;
    const oldestUs = this.#clock.nowUs() - 1000 * keepMs;
    for (const [key, { atUs, bytes }] of this.#kept) {
      const fits = this.#kept.size <= maxKeys && this.#keptBytes <= maxBytes;
      if (atUs > oldestUs && fits) return;
      this.#kept.delete(key);
      this.#keptBytes -= bytes;
    }
  }
}

function bytesOf(result: TaskResult | null): number {
  if (result === null) return 0;
  return result.tensors.reduce((sum, { raw }) => sum + raw.length, 2 * result.text.length);
}

/** Answers after this turn, like every answer. */
function answerAgain(
  submission: Submission,
  { index, arrivedUs, endedUs, results }: KeptAnswer,
  caller: Caller,
  clock: Clock,
): Caller {
  clock.soon(() => {
    const detached = detachedRequest(submission, clock.nowUs());
    const request = { ...detached, index, arrivedUs, results: [...results] };
    caller.answer({ outcome: "completed", error: null, endedUs, request });
  });
  return caller.waits(() => undefined);
}

/** The oldest answers are forgotten first. */
const MAX_ANSWERS = 10_000;

export interface AnsweredTask {
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
