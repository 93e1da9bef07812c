/** The search of one scheduler in a space too large to list; `descents.ts` has its idea. */
import { sumOf } from "../engine/statistics/estimate.ts";
import { type Alternative, type Contender, contenderOf } from "./contenders.ts";
import { assuredOf, BOUND_ERROR, isRuledOut, reachOf, wideError } from "./outlook.ts";
import { type Cut, filled, isWithin, Relaxation, type Relaxed } from "./relaxation.ts";
import { brief } from "./run-length.ts";
import type { Row } from "./space.ts";
import {
  costOfTried,
  nearer,
  note,
  type Problem,
  type Solver,
  scoreOfTried,
  type Tried,
} from "./standing.ts";
import type { Trial } from "./trial.ts";

/** Capacity over jobs to look for an incumbent with, until one does. */
const HEADROOMS = [1.25, 1.6, 2.5, 4, 8];
const HALVINGS = 3;
/** Replications of a few thousand requests that a cluster is looked at with. */
const MOST_LOOKS = 6;
/** Of one that misses by a little, before the bound goes on. */
const MOST_SETTLING = 40;
/** Probability that a cut rules out in error. */
const WRONG_CUT = 0.003;
/** Steps up from a cluster that misses. */
const MOST_REPAIRS = 12;
const MOST_LIFTS = 4;
const MOST_PROGRAMS = 200;
/** Part of a task's replicas that is taken away at once, before one after the other. */
const CHUNK = 0.08;
/** By how much a cut is tried to be widened. */
const LIFT = 1.06;

function raised(replicas: number): number {
  return replicas === 0 ? 0 : Math.ceil(LIFT * replicas + 1);
}

/** One scheduler. */
export class Descent {
  readonly alternative: Alternative;
  /** No cluster that costs less is left to look at. */
  bound = 0;
  /** The bound when a cut was made that simulations do not bear out. */
  #doubted = Number.POSITIVE_INFINITY;
  /** Share of the budget after which nothing more is looked at. */
  #until = 1;
  /** Looks at clusters of which a miss rules out more than themselves. */
  #wideLooks = 0;
  /** Trials by task or for all, and the error of ruling out by them. */
  readonly #looks = new Map<string, { readonly trial: Trial; readonly error: number }>();
  /** Clusters that keep the goals on the requests of the search. */
  readonly passed: Tried[] = [];
  readonly #problem: Problem;
  readonly #relaxation: Relaxation;
  #cuts: Cut[] = [];
  /** Whether these rows keep the goals, by task or for all. */
  readonly #known = new Map<string, boolean>();

  constructor(problem: Problem, alternative: Alternative, solve: Solver) {
    this.#problem = problem;
    this.alternative = alternative;
    this.#relaxation = new Relaxation(alternative, solve);
  }

  /** The bound by the traffic equations alone. */
  *bounded(): Generator<undefined, void> {
    const { bound } = yield* this.#relaxed();
    this.#raise(bound);
  }

  /** The cheapest that passed, below the limit; null where there is none. */
  cheapest(limit: number): Tried | null {
    const below = this.passed.filter((one) => costOfTried(one) < limit - 1e-9);
    const order = below.sort((a, b) => costOfTried(a) - costOfTried(b));
    return order[0] ?? null;
  }

  /** No cluster that costs less keeps the goals, but for `BOUND_ERROR`. */
  get proven(): number {
    return Math.min(this.bound, this.#doubted);
  }

  /** By a confirmation with these runs. */
  refused(tried: Tried, { runs, goals }: Trial): void {
    if (!isRuledOut(goals, runs, BOUND_ERROR / 4, MOST_LOOKS)) this.#doubt();
    this.passed.splice(this.passed.indexOf(tried), 1);
    const rows = tried.contender.shape.rows;
    this.#known.set(rows.join(";"), false);
    this.#cut(new Map(rows.entries()));
    const { standing } = this.#problem;
    if (standing.incumbent === tried) standing.incumbent = this.cheapest(Number.POSITIVE_INFINITY);
  }

  /** A first incumbent: as much more capacity than jobs as it takes, then less by halves. */
  *fromAbove(): Generator<undefined, void> {
    let low = 1;
    for (const high of HEADROOMS) {
      const found = yield* this.#withHeadroom(high);
      if (found === null) return;
      if (found) {
        yield* this.#between(low, high);
        return;
      }
      low = high;
    }
  }

  /** From the cheapest that passed, fewer replicas of one task after the other. */
  *downwards(until: number): Generator<undefined, void> {
    const { space } = this.alternative.choice;
    for (const chunk of [CHUNK, 0]) {
      for (let isDone = false; !isDone; ) {
        const best = this.cheapest(Number.POSITIVE_INFINITY);
        if (best === null || this.#problem.laboratory.spent > until) return;
        const { rows, cost } = best.contender.shape;
        const ways = rows.flatMap((row, t) =>
          row.flatMap((n, k) => {
            const fewer = row.with(k, n - Math.max(1, Math.floor(chunk * n)));
            if (n === 0 || sumOf(fewer) < space.bounds.low[t]) return [];
            const shape = space.cheapestFor(rows.with(t, fewer));
            return shape === null || shape.cost >= cost ? [] : [shape];
          }),
        );
        isDone = true;
        for (const way of ways.sort((a, b) => a.cost - b.cost)) {
          if (this.#isOverloaded(way.rows) || !(yield* this.keeps(way.rows))) continue;
          isDone = false;
          break;
        }
      }
    }
  }

  #isOverloaded(rows: readonly Row[]): boolean {
    const { choice, batches, isOpen, proceeds } = this.alternative;
    const load = (row: Row, t: number) => choice.bounds.utilisation(t, row, batches[t], !isOpen);
    return !proceeds && rows.some((row, t) => load(row, t) >= 1);
  }

  *#between(from: number, to: number): Generator<undefined, void> {
    let [low, high] = [from, to];
    for (let i = 0; i < HALVINGS; i++) {
      const middle = (low + high) / 2;
      if (yield* this.#withHeadroom(middle)) high = middle;
      else low = middle;
    }
  }

  *#relaxed(headroom: readonly number[] | null = null): Generator<undefined, Relaxed> {
    const steps = this.#relaxation.solve(this.#cuts, headroom);
    return yield* this.#problem.laboratory.watched(steps);
  }

  /** Null where there are no machines for it. */
  *#withHeadroom(factor: number): Generator<undefined, boolean | null> {
    const headroom = this.alternative.choice.space.tasks.map(() => factor);
    const { rows } = yield* this.#relaxed(headroom);
    if (rows === null) return null;
    return yield* this.keeps(filled(this.alternative, rows));
  }

  /** The cheapest cluster that nothing rules out, again and again, until it keeps the goals or costs what is known. */
  *fromBelow(until: number, onBound: () => void): Generator<undefined, void> {
    const { laboratory, standing } = this.#problem;
    this.#until = until;
    for (let program = 0; program < MOST_PROGRAMS; program++) {
      const { bound, rows } = yield* this.#relaxed();
      this.#raise(bound);
      onBound();
      const best = this.cheapest(Number.POSITIVE_INFINITY) ?? standing.confirmed;
      const known = Math.min(
        best === null ? Number.POSITIVE_INFINITY : costOfTried(best),
        standing.confirmed === null ? Number.POSITIVE_INFINITY : costOfTried(standing.confirmed),
      );
      if (rows === null || this.bound >= known - 1e-9) return;
      if (best !== null && laboratory.spent > until) return;
      const full = filled(this.alternative, rows);
      const slow = this.#tooSlow(full);
      if (slow !== null) this.#cut(slow);
      else if (!(yield* this.#tasksKeep(full)) || (yield* this.keeps(full))) continue;
      else {
        const lifted = yield* this.#lifted(full);
        if (lifted === full) yield* this.#settled(full.join(";"));
        this.#cut(new Map(lifted.entries()));
        if (this.passed.length === 0) yield* this.repaired(full, known);
      }
    }
  }

  /** More of all tasks but one that misses still, so that one cut does for many; else the rows themselves. */
  *#lifted(rows: readonly Row[]): Generator<undefined, readonly Row[]> {
    const { bounds, space } = this.alternative.choice;
    const { batches } = this.alternative;
    const load = (t: number): number => bounds.utilisation(t, rows[t], batches[t]);
    const busiestFirst = [...rows.keys()].sort((a, b) => load(b) - load(a));
    for (const t of busiestFirst) {
      const more = rows.map((row, other) => (other === t ? row : row.map((n) => raised(n))));
      const isAllowed = more.every((row, other) => sumOf(row) <= space.bounds.high[other]);
      if (rows.length === 1 || !isAllowed) continue;
      const { document, choice } = this.alternative;
      const cluster = choice.space.relaxedClusterOf(more);
      const { trial, keeps } = yield* this.#looked({ ...document, cluster }, true);
      this.#looks.set(more.join(";"), { trial, error: wideError(++this.#wideLooks) });
      if (keeps) continue;
      yield* this.#settled(more.join(";"));
      return more;
    }
    return rows;
  }

  /** A miss by a little takes more runs to bear out that it is one. */
  *#settled(key: string): Generator<undefined, void> {
    const { laboratory, goals } = this.#problem;
    const known = this.#looks.get(key);
    if (known === undefined) return this.#doubt();
    const { trial, error } = known;
    const isOut = (): boolean => isRuledOut(goals, trial.runs, error, MOST_SETTLING);
    while (!isOut() && trial.runs.length < MOST_SETTLING && laboratory.spent < this.#until)
      yield* laboratory.extend(trial, trial.runs.length + 1);
    if (!isOut()) this.#doubt();
  }

  #doubt(): void {
    this.#doubted = Math.min(this.#doubted, this.bound);
  }

  /** Some task needs a faster kind than its fastest; null where services alone do not say so. */
  #tooSlow(rows: readonly Row[]): Cut | null {
    const { bounds, space } = this.alternative.choice;
    if (this.alternative.proceeds || !bounds.servesTooSlowly(rows)) return null;
    this.#problem.standing.explored.ruledOut.serviceTime++;
    const cut = rows.map((row, t) => {
      const fastest = Math.min(...row.map((n, k) => (n > 0 ? bounds.meanMs(t, k) : Infinity)));
      return [
        t,
        row.map((_, k) => (bounds.meanMs(t, k) < fastest ? 0 : space.bounds.high[t])),
      ] as const;
    });
    return new Map(cut);
  }

  /** Whether each task by itself keeps the goals, the others with all that there may be; the first that does not is cut. */
  *#tasksKeep(rows: readonly Row[]): Generator<undefined, boolean> {
    const { bounds, space } = this.alternative.choice;
    if (rows.length === 1) return true;
    const { batches } = this.alternative;
    const load = (t: number): number => bounds.utilisation(t, rows[t], batches[t]);
    const busiestFirst = [...rows.keys()].sort((a, b) => load(b) - load(a));
    for (const t of busiestFirst) {
      if (yield* this.#taskKeeps(t, rows[t])) continue;
      this.#problem.standing.explored.ruledOut.task++;
      let least = rows[t];
      const prices = space.slotPrices;
      const cheapestFirst = [...least.keys()]
        .filter((k) => least[k] > 0)
        .sort((a, b) => prices[a] - prices[b]);
      // Somewhat more of one kind misses as well, as a rule: then one cut does for many.
      for (let lift = 0; lift < MOST_LIFTS && cheapestFirst.length > 0; lift++) {
        const [k] = cheapestFirst;
        const more = least.with(k, raised(least[k]));
        if (sumOf(more) > space.bounds.high[t] || (yield* this.#taskKeeps(t, more))) break;
        least = more;
      }
      yield* this.#settled(`${t}/${least.join()}`);
      this.#cut(new Map([[t, least]]));
      return false;
    }
    return true;
  }

  *#taskKeeps(task: number, row: Row): Generator<undefined, boolean> {
    const key = `${task}/${row.join()}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { document, choice } = this.alternative;
    const rows = choice.space.tasks.map((_, t) => (t === task ? row : this.#most(t)));
    const { trial, keeps } = yield* this.#looked(
      { ...document, cluster: choice.space.relaxedClusterOf(rows) },
      true,
    );
    this.#known.set(key, keeps);
    this.#looks.set(key, { trial, error: wideError(++this.#wideLooks) });
    return keeps;
  }

  /** As many as there may be, of the kind that is fastest for the task. */
  #most(task: number): Row {
    const { space, bounds } = this.alternative.choice;
    const times = space.runsOn[task].map((_, kind) => bounds.meanMs(task, kind));
    const fastest = times.indexOf(Math.min(...times));
    return times.map((_, kind) => (kind === fastest ? space.bounds.high[task] : 0));
  }

  /** From rows that miss, the replica more that helps most for its price, until the goals are kept. */
  *repaired(from: readonly Row[], limit: number): Generator<undefined, void> {
    let rows = from;
    for (let step = 0; step < MOST_REPAIRS; step++) {
      const { choice, batches } = this.alternative;
      const { space, bounds } = choice;
      const ways = rows.flatMap((row, t) =>
        row.flatMap((n, k) => {
          if (n === 0 || sumOf(row) >= space.bounds.high[t]) return [];
          const more = rows.with(t, row.with(k, n + 1));
          const shape = space.cheapestFor(more);
          return shape === null || shape.cost >= limit - 1e-9
            ? []
            : [{ more, cost: shape.cost, load: bounds.utilisation(t, row, batches[t]) }];
        }),
      );
      if (ways.length === 0) return;
      const tried: { more: readonly Row[]; gain: number }[] = [];
      const [now] = [space.cheapestFor(rows)?.cost ?? 0];
      const busiest = ways.sort((a, b) => b.load - a.load).slice(0, 4);
      for (const { more, cost } of busiest) {
        const { trial, keeps } = yield* this.#tried(more);
        if (keeps) return;
        tried.push({ more, gain: scoreOfTried(trial) - Math.log(1 + Math.max(0, cost - now)) });
      }
      rows = tried.reduce((best, one) => (one.gain > best.gain ? one : best)).more;
      rows = filled(this.alternative, rows);
    }
  }

  /** Whether these rows keep the goals, on the requests of the search; then they are among those that passed. */
  *keeps(rows: readonly Row[]): Generator<undefined, boolean> {
    const known = this.#known.get(rows.join(";"));
    if (known !== undefined) return known;
    return (yield* this.#tried(rows)).keeps;
  }

  *#tried(
    rows: readonly Row[],
  ): Generator<undefined, { readonly trial: Tried; readonly keeps: boolean }> {
    const { standing } = this.#problem;
    const shape = this.alternative.choice.space.cheapestFor(rows);
    if (shape === null) throw new Error("rows without room");
    const contender: Contender = contenderOf(this.alternative, shape);
    standing.explored.combinations++;
    const { trial, keeps } = yield* this.#looked(contender.document, false);
    const tried = { contender, trial };
    note(standing, tried);
    this.#known.set(rows.join(";"), keeps);
    this.#looks.set(rows.join(";"), { trial, error: BOUND_ERROR / 4 });
    if (keeps) {
      this.passed.push(tried);
      const isCheaper =
        standing.incumbent === null || costOfTried(tried) < costOfTried(standing.incumbent);
      if (isCheaper) standing.incumbent = tried;
    } else standing.nearest = nearer(standing.nearest, tried);
    return { trial: tried, keeps };
  }

  /** Looks at short replications until it is clear; `doubt`: what is not clear after the last look. */
  *#looked(
    scenario: Contender["document"],
    doubt: boolean,
  ): Generator<undefined, { readonly trial: Trial; readonly keeps: boolean }> {
    const { laboratory, goals, standing } = this.#problem;
    standing.explored.simulated++;
    const trial = yield* laboratory.start(brief(scenario), goals);
    for (let n = 1; n <= MOST_LOOKS; n++) {
      yield* laboratory.extend(trial, n);
      if (reachOf(goals, trial.runs, WRONG_CUT) < 0) return { trial, keeps: false };
      if (n > 1 && assuredOf(trial) >= 0) return { trial, keeps: true };
    }
    return { trial, keeps: doubt || scoreOfTried({ trial } as Tried) >= 0 };
  }

  #cut(cut: Cut): void {
    this.#cuts = [...this.#cuts.filter((one) => !isWithin(one, cut)), cut];
  }

  #raise(bound: number): void {
    this.bound = Math.max(this.bound, bound);
  }
}
