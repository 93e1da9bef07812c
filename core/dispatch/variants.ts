/** The variants of tasks: which pool a job of such a task goes to, and how accurate its request is. */
import { assert } from "../fault.ts";
import type { RunLog } from "../run-log.ts";
import type { System } from "../system.ts";
import type { VariantsView } from "./policies.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { RequestTable } from "./request-table.ts";
import type { Steps } from "./steps.ts";
import type { JobCursor } from "./views.ts";

export class Variants {
  readonly #requests: RequestTable;
  readonly #steps: Steps;
  readonly #board: PoolBoard;
  readonly #log: RunLog | null;
  readonly #view: PoolsView;
  readonly #job: JobCursor;
  /** By pool: the variants of its task, its own among them; null where there is no choice. */
  readonly #siblings: readonly (readonly number[] | null)[];

  constructor(system: System, steps: Steps, board: PoolBoard, log: RunLog | null) {
    this.#requests = board.requests;
    this.#steps = steps;
    this.#board = board;
    this.#log = log;
    this.#view = new PoolsView(board);
    this.#job = board.jobCursor();
    const groups = system.pipelines.flatMap(({ tasks }) => tasks.map(({ variants }) => variants));
    this.#siblings = system.pools.map(
      (_, pool) => groups.find((group) => group.length > 1 && group.includes(pool)) ?? null,
    );
  }

  /** The pool that a job goes to now, of several. */
  choose(job: number, among: readonly number[], nowUs: number): number {
    const { selection } = this.#board.pools[among[0]].policies;
    this.#view.nowUs = nowUs;
    const pool =
      selection === undefined
        ? (among.find((one) => this.#view.readyOf(one) > 0) ?? among[0])
        : selection.choose(this.#job.at(job), among, this.#view);
    assert(among.includes(pool), "a job goes to a variant of its task");
    this.#log?.add("select", job, pool);
    return pool;
  }

  /** The pool that takes a job whose replica in `pool` was lost. */
  again(job: number, pool: number, nowUs: number): number {
    const table = this.#requests;
    const request = table.requestOf(job);
    const step = (table.pipeline[request] << table.shift) + table.taskOf(job);
    const { variants } = this.#steps.at[step];
    return variants === null ? pool : this.choose(job, variants, nowUs);
  }

  /** The pool whose replica runs a job. */
  poolRunning(job: number): number {
    const table = this.#requests;
    const request = table.requestOf(job);
    const step = (table.pipeline[request] << table.shift) + table.taskOf(job);
    const { pool, variants } = this.#steps.at[step];
    const { poolOf, batches } = this.#board;
    if (variants === null) return pool;
    const replica = poolOf.findIndex(
      (one, id) => variants.includes(one) && batches.jobsOn(id).includes(job),
    );
    return poolOf[replica];
  }

  /** A replica of a pool came or went: jobs leave variants without a replica for those with one. */
  changed(pool: number, nowUs: number): void {
    const group = this.#siblings[pool];
    if (group === null || !group.some((one) => this.#view.readyOf(one) > 0)) return;
    const { queues } = this.#board;
    for (const one of group) {
      if (this.#view.readyOf(one) > 0) continue;
      for (const job of queues.lengthOf(one) > 0 ? queues.jobsIn(one) : []) {
        this.#board.withdraw(job, nowUs);
        this.#board.enqueue(job, this.choose(job, group, nowUs));
      }
    }
  }

  fed(request: number, pool: number, loss: number, nowUs: number): void {
    const first = this.#siblings[pool]?.[0] ?? pool;
    this.#board.pools[first].policies.selection?.fed?.(request, pool, loss, nowUs);
  }
}

/** The pools of variants, at an instant. */
class PoolsView implements VariantsView {
  nowUs = 0;
  declare private readonly board: PoolBoard;

  constructor(board: PoolBoard) {
    this.board = board;
  }

  readyOf(pool: number): number {
    return this.board.pools[pool].upCount;
  }

  loadOf(pool: number): ReturnType<VariantsView["loadOf"]> {
    return this.board.loadOf(pool);
  }
}
