/**
 * The variants of tasks: which pool a job of such a task goes to, and how accurate its request is. An ensemble asks
 * several of them, and their votes make one answer with a confidence.
 */
import { assert } from "../basics/fault.ts";
import type { EnsembleSystem } from "../system/system.ts";
import type { CountedVote } from "./driver.ts";
import type { JobCursor } from "./job-queues.ts";
import type { VariantsView } from "./policies.ts";
import type { PoolBoard } from "./pool-board.ts";
import { JOB, type RequestTable } from "./request-table.ts";
import type { EnsembleStep, Shared } from "./steps.ts";

export class Variants {
  readonly #shared: Shared;
  readonly #board: PoolBoard;
  readonly #job: JobCursor;
  /** By pool: the variants of its task, its own among them; null where there is no choice. */
  readonly #siblings: readonly (readonly number[] | null)[];
  /** By pool: the first of its task's or its ensemble's. */
  readonly #firsts: readonly number[];

  constructor(shared: Shared, board: PoolBoard) {
    this.#shared = shared;
    this.#board = board;
    const { system } = shared;
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
    const { selection } = this.#board.pools[among[0]].policies;
    const pool =
      selection === undefined
        ? (among.find((one) => this.#readyOf(one) > 0) ?? among[0])
        : selection.choose(this.#job.at(job), among, this.#viewAt(nowUs));
    assert(among.includes(pool), "a job goes to a variant of its task");
    this.#shared.log?.add("select", job, pool);
    return pool;
  }

  /** The pools of an ensemble that a request asks; `job` is one of its members'. */
  ask(job: number, among: readonly number[], nowUs: number): readonly number[] {
    const { selection } = this.#board.pools[among[0]].policies;
    if (selection?.ask === undefined) return [this.choose(job, among, nowUs)];
    const asked = selection.ask(this.#job.at(job), among, this.#viewAt(nowUs));
    assert(asked.length > 0 && asked.every((pool) => among.includes(pool)), "variants are asked");
    for (const pool of asked) this.#shared.log?.add("select", job, pool);
    return asked;
  }

  /** The weights of the votes of those that were asked; `among` are all of their ensemble. */
  shares(among: readonly number[], asked: readonly number[]): readonly number[] {
    const { selection } = this.#board.pools[among[0]].policies;
    return selection?.shares?.(asked) ?? asked.map(() => 1 / asked.length);
  }

  /** The pool that takes a job whose replica in `pool` was lost. */
  again(job: number, pool: number, nowUs: number): number {
    const { variants, ensemble } = this.#shared.steps.of(job, this.#shared.requests);
    return variants === null || ensemble !== null ? pool : this.choose(job, variants, nowUs);
  }

  /** The pool whose replica runs a job. */
  poolRunning(job: number): number {
    const { pool, variants } = this.#shared.steps.of(job, this.#shared.requests);
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
    if (group === null || !group.some((one) => this.#readyOf(one) > 0)) return;
    const { queues } = this.#board;
    for (const one of group) {
      if (this.#readyOf(one) > 0) continue;
      for (const job of queues.lengthOf(one) > 0 ? queues.jobsIn(one) : []) {
        this.#board.withdraw(job, nowUs);
        this.#board.enqueue(job, this.choose(job, group, nowUs));
      }
    }
  }

  fed(request: number, pool: number, loss: number, nowUs: number): void {
    const first = this.#firsts[pool];
    this.#board.pools[first].policies.selection?.fed?.(request, pool, loss, nowUs);
  }

  #readyOf(pool: number): number {
    return this.#board.pools[pool].upCount;
  }

  #viewAt(nowUs: number): VariantsView {
    return {
      nowUs,
      readyOf: (pool) => this.#readyOf(pool),
      loadOf: (pool) => this.#board.loadOf(pool),
    };
  }
}

/** Confidences are whole millionths, in decisions as in the log. */
const CONFIDENCE_UNITS = 1e6;

/** The label of no answer. */
export const NO_LABEL = -1;

type Vote = Pick<CountedVote, "label" | "confidence">;

/** The label with the most weight, of equal ones the first; `NO_LABEL` where no answer has come. */
export function vote(labels: readonly number[], shares: readonly number[]): Vote {
  const weights = new Map<number, number>();
  labels.forEach((label, i) => {
    if (label !== NO_LABEL) weights.set(label, (weights.get(label) ?? 0) + shares[i]);
  });
  let best: Vote = { label: NO_LABEL, confidence: 0 };
  for (const [label, weight] of weights) {
    const confidence = Math.round(weight * CONFIDENCE_UNITS) / CONFIDENCE_UNITS;
    if (best.label === NO_LABEL || confidence > best.confidence) best = { label, confidence };
  }
  return best;
}

/**
 * In the system each variant of an ensemble is a task of its own, its member, with the same tasks before
 * and after it. Source: Crankshaw et al., Clipper, NSDI 2017, section 5.2.
 */
export class Ensembles {
  readonly #shared: Shared;
  readonly #variants: Variants;
  readonly #requests: RequestTable;

  constructor(shared: Shared, variants: Variants) {
    this.#shared = shared;
    this.#variants = variants;
    this.#requests = shared.requests;
  }

  /** Whether a member is asked: decided for all of them when the first begins. */
  isAsked(job: number, step: EnsembleStep, nowUs: number): boolean {
    const notes = this.#shared.answers.ballot(this.#requests.requestOf(job), step.number);
    notes.asked ??= this.#variants.ask(job, step.pools, nowUs);
    return notes.asked.includes(step.pools[step.members.indexOf(this.#requests.taskOf(job))]);
  }

  /** Whether the votes of a request are counted, or no member was asked yet. */
  isOver(request: number, { number }: EnsembleStep): boolean {
    const { asked, vote } = this.#shared.answers.ballot(request, number);
    return asked === null || vote !== null;
  }

  /** Whether the votes are to be counted now: all asked have answered, or one has and time is up. */
  isComplete(request: number, step: EnsembleStep): boolean {
    const ballot = this.#shared.answers.ballot(request, step.number);
    if (ballot.vote !== null) return false;
    const { state, shift } = this.#requests;
    const isAwaited = (task: number): boolean => {
      const own = state[(request << shift) + task];
      return own >= 0 || own === JOB.running;
    };
    return ballot.isHurried || !step.members.some(isAwaited);
  }

  /** Counts the votes as soon as one has come. */
  hurry(request: number, { number }: EnsembleStep): void {
    this.#shared.answers.ballot(request, number).isHurried = true;
  }

  hasAnswer(request: number, { members }: EnsembleStep): boolean {
    const { state, shift } = this.#requests;
    return members.some((task) => state[(request << shift) + task] === JOB.ran);
  }

  /** Counts the answers that have come, once. */
  count(request: number, step: EnsembleStep, nowUs: number): void {
    if (this.isOver(request, step)) return;
    const ballot = this.#shared.answers.ballot(request, step.number);
    const { state, shift } = this.#requests;
    const asked = ballot.asked ?? [];
    const members = step.members.filter((_, i) => asked.includes(step.pools[i]));
    const labels = members.map((task) =>
      state[(request << shift) + task] === JOB.ran ? this.#labelOf(request, task) : NO_LABEL,
    );
    const shares = this.#variants.shares(step.pools, asked);
    const { label, confidence } = vote(labels, shares);
    const terms =
      this.#shared.system.pipelines[this.#requests.pipeline[request]].ensembles[step.number];
    const isSure = label !== NO_LABEL && confidence >= terms.minConfidence;
    const agreeing = members.filter((_, i) => label !== NO_LABEL && labels[i] === label);
    const counted = { label, confidence, isSure, agreeing };
    ballot.vote = counted;
    this.#shared.log?.add(
      "vote",
      request,
      step.number,
      label,
      Math.round(confidence * CONFIDENCE_UNITS),
    );
    this.#requests.accuracy[request] *= this.#accuracyOf(counted, terms, step);
    this.#shared.driver.voted?.(request, step.number, counted, nowUs);
  }

  #labelOf(request: number, task: number): number {
    const label = this.#shared.driver.labels?.of(request, task) ?? NO_LABEL;
    this.#shared.log?.add("answer", request, task, label);
    return label;
  }

  /** Where nobody knows the truth, that of the most accurate model that agrees. */
  #accuracyOf(
    { label, isSure, agreeing }: CountedVote,
    { fallback }: EnsembleSystem,
    { members, pools }: EnsembleStep,
  ): number {
    if (!isSure && fallback !== null) return fallback.accuracy;
    const truth = this.#shared.driver.labels?.truth ?? null;
    if (truth !== null) return label === truth ? 1 : 0;
    const accuracies = agreeing.map(
      (task) => this.#shared.system.pools[pools[members.indexOf(task)]].accuracy ?? 1,
    );
    return Math.max(0, ...accuracies);
  }
}
