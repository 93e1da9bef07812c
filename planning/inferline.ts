/** InferLine's planner, on the same contenders and the same simulator. docs/planning.md says where it differs from the paper. */
import { sumOf } from "../engine/statistics/estimate.ts";
import {
  type Alternative,
  alternativeOf,
  batchingScheduler,
  type Contender,
  contenderOf,
  LARGEST_BATCH,
} from "./contenders.ts";
import type { Row, Shape } from "./space.ts";
import {
  confirm,
  nearer,
  note,
  type Problem,
  ranked,
  type Search,
  type Tried,
} from "./standing.ts";

/** One task's part. */
interface Part {
  readonly kind: number;
  readonly batch: number;
  readonly replicas: number;
}

type State = readonly Part[];

/**
 * From a pipeline that keeps the goals it takes the best of three actions on one task, again and again, until no action
 * saves anything. Yields after each replication.
 * Source: Crankshaw et al., "InferLine: latency-aware provisioning and scaling for prediction serving
 * pipelines", SoCC 2020, section 4.3, Algorithms 1 and 2.
 */
export function* inferline(problem: Problem): Generator<undefined, Search> {
  const found: (readonly Tried[])[] = [];
  let isComplete = true;
  for (const alternative of problem.alternatives) {
    const climb = new Descent(problem, alternative);
    const path = yield* climb.run();
    if (path.length > 0) found.push(path);
    isComplete &&= !climb.isCutOff;
  }
  const ends = found.map((path) => path[path.length - 1]);
  const order = ranked(ends);
  for (const { contender } of order.flatMap((end) => found[ends.indexOf(end)].toReversed())) {
    if ((yield* confirm(problem, contender)).meets) break;
  }
  const best = problem.standing.confirmed?.contender.alternative;
  const runnersUp = order.filter(({ contender }) => contender.alternative.rank !== best?.rank);
  return { runnersUp, isComplete, alike: [] };
}

/** From the start of one scheduler down to its end. */
class Descent {
  isCutOff = false;
  readonly #problem: Problem;
  readonly #alternative: Alternative;
  readonly #known = new Map<string, (Tried & { readonly meets: boolean }) | null>();

  constructor(problem: Problem, alternative: Alternative) {
    this.#problem = problem;
    this.#alternative = alternative;
  }

  /** Every state on the way that keeps the goals, the last one the cheapest. */
  *run(): Generator<undefined, readonly Tried[]> {
    let state = yield* this.#start();
    if (state === null) return [];
    const path = [yield* this.#meets(state)].filter((tried) => tried !== null);
    for (;;) {
      let next: State | null = null;
      for (const changed of [...this.#smallActions(state), ...(yield* this.#downgrades(state))]) {
        if (!this.#isBetter(changed, next ?? state)) continue;
        if ((yield* this.#meets(changed)) !== null) next = changed;
      }
      if (next === null) return path;
      state = next;
      const tried = yield* this.#meets(state);
      if (tried !== null) path.push(tried);
    }
  }

  *#start(): Generator<undefined, State | null> {
    let state = this.#fastest();
    while (state !== null && (yield* this.#meets(state)) === null) {
      if (this.isCutOff) return null;
      state = this.#withOneMore(state, this.#slowest(state));
    }
    return state;
  }

  /** Each task on its fastest kind; where slots run short, the tasks of longest service first. */
  #fastest(): State | null {
    const { space } = this.#alternative.choice;
    const { low } = space.bounds;
    const tasks = [...space.tasks.keys()];
    const parts: (Part | undefined)[] = tasks.map(() => undefined);
    const byTime = tasks.sort(
      (a, b) => Math.min(...this.#timesOf(b)) - Math.min(...this.#timesOf(a)),
    );
    for (const task of byTime) {
      const kinds = this.#timesOf(task)
        .map((ms, kind) => ({ ms, kind }))
        .filter(({ ms }) => Number.isFinite(ms))
        .sort((a, b) => a.ms - b.ms);
      const part = kinds
        .map(({ kind }) => ({ kind, batch: 1, replicas: low[task] }))
        .find((one) => this.#shapeOf(parts.with(task, one)) !== null);
      if (part === undefined) return null;
      parts[task] = part;
    }
    return parts as State;
  }

  #timesOf(task: number): readonly number[] {
    const { space, bounds } = this.#alternative.choice;
    return space.runsOn[task].map((_, kind) => bounds.meanMs(task, kind));
  }

  /** The task whose replicas are the busiest. */
  #slowest(state: State): number {
    const { bounds } = this.#alternative.choice;
    const loads = state.map((part, task) =>
      bounds.utilisation(task, this.#rowOf(part), this.#batchOf(part, task)),
    );
    return loads.indexOf(Math.max(...loads));
  }

  #withOneMore(state: State, task: number): State | null {
    const part = state[task];
    const more = state.with(task, { ...part, replicas: part.replicas + 1 });
    if (part.replicas >= this.#alternative.choice.space.bounds.high[task]) return null;
    return this.#shapeOf(more) === null ? null : more;
  }

  /** A larger batch, or a replica less, of one task. */
  #smallActions(state: State): readonly State[] {
    const { space, bounds } = this.#alternative.choice;
    return state.flatMap((part, task) => {
      const batch = 2 * part.batch;
      const mayGrow =
        this.#problem.mayBatch(this.#alternative) &&
        bounds.usefulBatches(task, LARGEST_BATCH).includes(batch);
      const mayShrink = part.replicas > space.bounds.low[task];
      return [
        ...(mayGrow ? [state.with(task, { ...part, batch })] : []),
        ...(mayShrink ? [state.with(task, { ...part, replicas: part.replicas - 1 })] : []),
      ];
    });
  }

  /** One task on its next cheaper kind, where the goals can be kept there for less. */
  *#downgrades(state: State): Generator<undefined, readonly State[]> {
    const found: State[] = [];
    for (const [task, { kind }] of state.entries()) {
      const cheaper = this.#nextCheaper(task, kind);
      const next = cheaper === null ? null : yield* this.#downgraded(state, task, cheaper);
      if (next !== null) found.push(next);
    }
    return found;
  }

  *#downgraded(state: State, task: number, kind: number): Generator<undefined, State | null> {
    const replicas = this.#alternative.choice.space.bounds.low[task];
    let next: State | null = state.with(task, { kind, batch: 1, replicas });
    if (this.#shapeOf(next) === null) return null;
    while (next !== null && (yield* this.#meets(next)) === null) {
      if (this.isCutOff || !this.#isBetter(next, state)) return null;
      next = this.#withOneMore(next, task);
    }
    return next;
  }

  /** By the price of a slot. */
  #nextCheaper(task: number, kind: number): number | null {
    const { space } = this.#alternative.choice;
    const prices = space.slotPrices;
    const cheaper = prices
      .map((price, other) => ({ price, other }))
      .filter(({ price, other }) => price < prices[kind] && space.runsOn[task][other])
      .sort((a, b) => b.price - a.price);
    return cheaper[0]?.other ?? null;
  }

  #isBetter(a: State, b: State): boolean {
    const [first, second] = [a, b].map((state) => [
      this.#shapeOf(state)?.cost ?? Number.POSITIVE_INFINITY,
      sumOf(state.map(({ replicas }) => replicas)),
      -sumOf(state.map(({ batch }) => Math.log2(batch))),
    ]);
    const differs = first.findIndex((value, i) => value !== second[i]);
    return differs >= 0 && first[differs] < second[differs];
  }

  /** Null where it misses, or finds no room. */
  *#meets(state: State): Generator<undefined, Tried | null> {
    const contender = this.#contenderOf(state);
    if (contender === null) return null;
    const key = JSON.stringify(state);
    let known = this.#known.get(key);
    if (known === undefined) {
      const { laboratory, goals, mostTrials, standing } = this.#problem;
      this.isCutOff ||= this.#known.size >= mostTrials;
      if (this.isCutOff) return null;
      standing.explored.combinations++;
      standing.explored.simulated++;
      const { meets, ...trial } = yield* laboratory.tryOut(contender.document, goals);
      known = { contender, trial, meets };
      this.#known.set(key, known);
      note(standing, known);
      if (!meets) standing.nearest = nearer(standing.nearest, known);
    }
    return known?.meets ? known : null;
  }

  #contenderOf(state: State): Contender | null {
    const shape = this.#shapeOf(state);
    if (shape === null) return null;
    const { document, parameters, choice } = this.#alternative;
    const batches = state.map(({ batch }) => batch);
    const scheduler = batchingScheduler(document.scheduler, choice.space.tasks, batches);
    const batched = batches.every((batch) => batch === 1)
      ? this.#alternative
      : alternativeOf({ ...document, scheduler }, parameters, choice);
    return contenderOf(batched, shape);
  }

  /** Tasks without a part yet have no replica. */
  #shapeOf(parts: readonly (Part | undefined)[]): Shape | null {
    const { space } = this.#alternative.choice;
    return space.cheapestFor(parts.map((part) => this.#rowOf(part)));
  }

  #rowOf(part: Part | undefined): Row {
    const { kinds } = this.#alternative.choice.space;
    return Array.from({ length: kinds }, (_, kind) => (part?.kind === kind ? part.replicas : 0));
  }

  #batchOf({ batch }: Part, task: number): number {
    return Math.max(batch, this.#alternative.batches[task]);
  }
}
