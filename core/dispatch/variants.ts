/** The variants of tasks: which pool a job of such a task goes to, and how accurate its request is. */
import { assert } from "../fault.ts";
import type { VariantsView } from "./policies.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { Shared } from "./steps.ts";
import type { JobCursor } from "./views.ts";

export class Variants {
  readonly #view: { -readonly [key in keyof VariantsView]: VariantsView[key] };
  readonly #job: JobCursor;
  /** By pool: the variants of its task, its own among them; null where there is no choice. */
  readonly #siblings: readonly (readonly number[] | null)[];
  /** By pool: the first of its task's or its ensemble's. */
  readonly #firsts: readonly number[];

  constructor(
    private readonly shared: Shared,
    private readonly board: PoolBoard,
  ) {
    const { system } = shared;
    this.#view = {
      nowUs: 0,
      readyOf: (pool) => board.pools[pool].upCount,
      loadOf: (pool) => board.loadOf(pool),
    };
    this.#job = board.jobCursor();
    const groups = system.pipelines.flatMap(({ tasks }) => tasks.map(({ variants }) => variants));
    this.#siblings = system.pools.map(
      (_, pool) => groups.find((group) => group.length > 1 && group.includes(pool)) ?? null,
    );
    const ensembles = system.pipelines.flatMap(({ tasks, ensembles }) =>
      ensembles.map(({ members }) => members.map((task) => tasks[task].pool)),
    );
    this.#firsts = system.pools.map((_, pool) => {
      const ensemble = ensembles.find((group) => group.includes(pool));
      return (ensemble ?? this.#siblings[pool] ?? [pool])[0];
    });
  }

  /** The pool that a job goes to now, of several. */
  choose(job: number, among: readonly number[], nowUs: number): number {
    const { selection } = this.board.pools[among[0]].policies;
    this.#view.nowUs = nowUs;
    const pool =
      selection === undefined
        ? (among.find((one) => this.#view.readyOf(one) > 0) ?? among[0])
        : selection.choose(this.#job.at(job), among, this.#view);
    assert(among.includes(pool), "a job goes to a variant of its task");
    this.shared.log?.add("select", job, pool);
    return pool;
  }

  /** The pools of an ensemble that a request asks; `job` is one of its members'. */
  ask(job: number, among: readonly number[], nowUs: number): readonly number[] {
    const { selection } = this.board.pools[among[0]].policies;
    if (selection?.ask === undefined) return [this.choose(job, among, nowUs)];
    this.#view.nowUs = nowUs;
    const asked = selection.ask(this.#job.at(job), among, this.#view);
    assert(asked.length > 0 && asked.every((pool) => among.includes(pool)), "variants are asked");
    for (const pool of asked) this.shared.log?.add("select", job, pool);
    return asked;
  }

  /** The weights of the votes of those that were asked; `among` are all of their ensemble. */
  shares(among: readonly number[], asked: readonly number[]): readonly number[] {
    const { selection } = this.board.pools[among[0]].policies;
    return selection?.shares?.(asked) ?? asked.map(() => 1 / asked.length);
  }

  /** The pool that takes a job whose replica in `pool` was lost. */
  again(job: number, pool: number, nowUs: number): number {
    const { variants, ensemble } = this.shared.steps.of(job, this.shared.requests);
    return variants === null || ensemble !== null ? pool : this.choose(job, variants, nowUs);
  }

  /** The pool whose replica runs a job. */
  poolRunning(job: number): number {
    const { pool, variants } = this.shared.steps.of(job, this.shared.requests);
    const { poolOf, batches } = this.board;
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
    const { queues } = this.board;
    for (const one of group) {
      if (this.#view.readyOf(one) > 0) continue;
      for (const job of queues.lengthOf(one) > 0 ? queues.jobsIn(one) : []) {
        this.board.withdraw(job, nowUs);
        this.board.enqueue(job, this.choose(job, group, nowUs));
      }
    }
  }

  fed(request: number, pool: number, loss: number, nowUs: number): void {
    const first = this.#firsts[pool];
    this.board.pools[first].policies.selection?.fed?.(request, pool, loss, nowUs);
  }
}
