/** The search of one scheduler, one step at a time; `search.ts` has its idea. */
import { sumOf } from "../engine/statistics/estimate.ts";
import { type Alternative, type Contender, contenderOf } from "./contenders.ts";
import { isBornOut, type Look, lookedAt, MOST_SETTLING, relaxedLook } from "./looks.ts";
import { shortageOf } from "./missing.ts";
import { busiestFirst, cheaper, filled, lessMachines } from "./moves.ts";
import { BOUND_ERROR, isRuledOut, scoreOf, wideError } from "./outlook.ts";
import {
  type Above,
  type Cut,
  type Headroom,
  isWithin,
  type Relaxed,
  relaxed,
} from "./relaxation.ts";
import type { Row } from "./space.ts";
import { costOfTried, nearer, note, type Problem, ranked, type Tried } from "./standing.ts";
import type { Trial } from "./trial.ts";

/**
 * Capacity over jobs to look for an incumbent with, until one does. Many replicas share their waits, so what they need
 * beyond their jobs grows with the root of these (Halfin and Whitt, Operations Research 29(3), 1981).
 */
const HEADROOMS: readonly Headroom[] = [
  ...[0.25, 0.5, 0.75, 1, 1.5, 2, 3].map((roots) => (least: number) => 1 + roots / least ** 0.5),
  ...[1.6, 2, 2.5, 4, 8].map((factor) => () => factor),
];
/** Parts of what may be late that services alone may make so in first clusters; how well the part of SLOs for these is known. */
const FOR_SERVICES = [0.5, 0.8, 0.3];
const PRECISION = 0.03;
/** Headroom that machines are searched for with. */
const MOST_ROOTS = 8;
/** Part of the incumbent's cost from which on a bound is close enough. */
const CLOSE = 0.98;
/** Steps up from a cluster that misses. */
const MOST_REPAIRS = 12;
/** Part of a task's replicas that is taken away at once, before one after the other. */
const CHUNK = 0.08;
/** Each holds its compiled cluster: half a megabyte. */
const MOST_LOOKS_KEPT = 20;

/** A cut, and the look that it is by. */
function whole(rows: readonly Row[]) {
  return { cut: new Map(rows.entries()), key: rows.join(";") };
}

/** One scheduler. */
export class Descent {
  readonly alternative: Alternative;
  /** No cluster that costs less is left to look at. */
  bound = 0;
  /** Whether no more programs are solved. */
  isSpent = false;
  /** Clusters that keep the goals on the requests of the search. */
  readonly passed: Tried[] = [];
  /** Clusters of a small space that may, by pilots, which are of the same requests for all. */
  hopeful: Tried[] = [];
  /** The bound when a cut was made that simulations do not bear out. */
  #doubted = Number.POSITIVE_INFINITY;
  /** Looks at clusters of which a miss rules out more than themselves. */
  #wideLooks = 0;
  /** The best look that fresh requests refused; once a plan is confirmed, others have to beat it. */
  #refused = Number.NEGATIVE_INFINITY;
  /** By rows, of one task or of all: whether they may keep the goals. */
  readonly #keeps = new Map<string, boolean>();
  /** The last looks. */
  readonly #looks = new Map<string, Look>();
  readonly #problem: Problem;
  readonly #isThorough: boolean;
  #cuts: Cut[] = [];
  /** The cheapest rows that nothing rules out, until they are looked at. */
  #rows: readonly Row[] | null = null;

  /** `isThorough`: in a large space looks that are clear are worth their simulations, and so is a bound that these bear out. */
  constructor(problem: Problem, alternative: Alternative, isThorough: boolean) {
    this.#problem = problem;
    this.alternative = alternative;
    this.#isThorough = isThorough;
  }

  /** No cluster that costs less keeps the goals, but for `BOUND_ERROR`; of replicas that come and go no cost is known. */
  get proven(): number {
    return this.alternative.scales ? 0 : Math.min(this.bound, this.#doubted);
  }

  /** Finds the cheapest rows that nothing rules out, or looks at those: they pass, or they and others are cut. */
  *advance(known = Number.POSITIVE_INFINITY, until = 1): Generator<undefined, void> {
    const rows = this.#rows;
    if (rows === null) {
      const found = yield* this.#relaxed();
      this.bound = Math.max(this.bound, found.bound);
      // The solver's nodes are spent: more is left, and nobody knows what.
      if (found.rows === null && Number.isFinite(this.bound)) this.isSpent = true;
      this.#rows = found.rows;
      return;
    }
    this.#rows = null;
    const full = filled(this.alternative, rows);
    if (yield* this.#isThorough ? this.keeps(full) : this.hopes(full)) {
      this.#cut(whole(full).cut);
      // Not the cheapest where the solver's nodes were spent: fewer replicas may do, which the cut leaves out.
      return yield* this.#isThorough ? this.#downwards(until) : [];
    }
    const missed = (yield* this.#tooFew(full)) ?? whole(full);
    yield* this.#bornOut(missed.key, known, until);
    this.#cut(missed.cut);
    if (this.#isThorough && this.passed.length === 0) yield* this.#repaired(full, known);
  }

  /** By a confirmation with these runs; the next to look at has so many replicas more at least. */
  *refused(tried: Tried, trial: Trial, limit: number, more: number): Generator<undefined, void> {
    const { rows } = tried.contender.shape;
    const { key, cut } = whole(rows);
    if (!isRuledOut(trial, BOUND_ERROR / 4, MOST_SETTLING)) this.#doubt();
    this.#refused = Math.max(this.#refused, scoreOf(tried.trial));
    this.#forget(tried);
    this.#keeps.set(key, false);
    this.#cut(cut);
    if (this.#isThorough) yield* this.#repaired(rows, limit, more);
  }

  /** Those of a price that too many were refused on. */
  drop(cost: number): void {
    for (const one of this.passed.filter((other) => costOfTried(other) <= cost + 1e-9)) {
      this.#doubt();
      this.#forget(one);
      this.#keeps.set(whole(one.contender.shape.rows).key, false);
    }
  }

  #forget(tried: Tried): void {
    this.passed.splice(this.passed.indexOf(tried), 1);
    const { standing } = this.#problem;
    if (standing.incumbent === tried)
      standing.incumbent = ranked(this.passed)[0] ?? standing.confirmed;
  }

  /** A first incumbent: as much more capacity than jobs as it takes, then fewer replicas of each task. */
  *fromAbove(limit: number, until: number): Generator<undefined, void> {
    const { confirmed } = this.#problem.standing;
    const { choice, batches } = this.alternative;
    const other = confirmed?.contender.alternative;
    if (confirmed !== null && other?.choice === choice)
      yield* this.keeps(confirmed.contender.shape.rows);
    // The programs of a scheduler with as large batches are the same.
    const isSame = other?.choice === choice && String(other.batches) === String(batches);
    for (const late of isSame ? [] : FOR_SERVICES) {
      const part = yield* this.#partFor(late);
      for (const headroom of HEADROOMS) {
        const { rows } = yield* this.#relaxed({ headroom, part });
        const full = rows && filled(this.alternative, rows);
        const best = Math.min(limit, ...this.passed.map(costOfTried));
        if (full === null || this.#costOf(full) >= best - 1e-9 || (yield* this.keeps(full))) break;
      }
    }
    if (confirmed === null && this.passed.length === 0) yield* this.isFeasible();
    yield* this.#downwards(until);
  }

  /** The largest part of SLOs for mean services with which these make no more than so large a part late of what may be. */
  *#partFor(late: number): Generator<undefined, number> {
    const within = (part: number) => this.#relaxed({ headroom: HEADROOMS[0], part });
    const isLate = ({ rows }: Relaxed): boolean =>
      rows !== null && this.alternative.choice.bounds.areOftenLate(rows, late);
    if (!isLate(yield* within(Number.POSITIVE_INFINITY))) return Number.POSITIVE_INFINITY;
    let [tight, loose] = [0, 1];
    while (loose - tight > PRECISION) {
      const part = (tight + loose) / 2;
      if (isLate(yield* within(part))) loose = part;
      else tight = part;
    }
    return (yield* within(tight)).rows === null ? loose : tight;
  }

  #costOf(rows: readonly Row[]): number {
    return this.alternative.choice.space.cheapestFor(rows)?.cost ?? Number.POSITIVE_INFINITY;
  }

  /** Whether the fullest cluster may keep the goals, or simulations at least do not rule out that any does. */
  *isFeasible(): Generator<undefined, boolean> {
    const { standing } = this.#problem;
    const found = yield* this.fullest(true);
    if (found !== null) {
      const keeps = this.#isThorough
        ? yield* this.keeps(found.shape.rows)
        : (yield* lookedAt(this.#problem, found.document, 1)).keeps;
      if (keeps) return true;
    }
    const isOwn = this.alternative.choice.space.hosting === "apart" && !this.alternative.scales;
    if (!isOwn) return true;
    const shortage = yield* shortageOf(this.#problem, this.alternative, standing.shortage);
    if (shortage === null) return true;
    standing.shortage = shortage;
    this.bound = Number.POSITIVE_INFINITY;
    this.#doubted = Number.POSITIVE_INFINITY;
    return false;
  }

  *fullest(isInTime = false): Generator<undefined, Contender | null> {
    const { rows } = yield* this.most(isInTime);
    const { space } = this.alternative.choice;
    const shape = rows === null ? null : space.cheapestFor(filled(this.alternative, rows));
    return shape && contenderOf(this.alternative, shape);
  }

  /** The most capacity over jobs that all machines together have, `isInTime` or however late: to 1% of the jobs. */
  *most(isInTime: boolean): Generator<undefined, { factor: number; rows: Relaxed["rows"] }> {
    const above = (factor: number) => ({ headroom: () => factor, part: Number.POSITIVE_INFINITY });
    let { rows } = yield* this.#relaxed(above(0), isInTime);
    let factor = 0;
    for (let step = 64; step > 0.005; step /= 2) {
      const more = yield* this.#relaxed(above(factor + step), isInTime);
      if (more.rows !== null) [factor, rows] = [factor + step, more.rows];
    }
    return { factor, rows };
  }

  /** From the cheapest that passed, fewer replicas of one task after the other. */
  *#downwards(until: number): Generator<undefined, void> {
    const missed = new Set<string | null>();
    for (const chunk of [CHUNK, 0]) {
      for (let isDone = false; !isDone; ) {
        const best = ranked(this.passed)[0] ?? null;
        if (best === null || this.#problem.laboratory.spent > until) return;
        isDone = true;
        for (const { shape, slow } of cheaper(this.alternative, best.contender.shape, chunk)) {
          if (missed.has(slow)) continue;
          isDone = !(yield* this.keeps(shape.rows));
          if (!isDone) break;
          if (slow !== null) missed.add(slow);
        }
        if (isDone) isDone = !(yield* this.#onLess(best, missed, until));
      }
    }
  }

  /** On machines that cost less, with as much headroom as they have; of one slot each, replicas that go say the same. */
  *#onLess(
    { contender: { shape } }: Tried,
    missed: Set<string | null>,
    until: number,
  ): Generator<undefined, boolean> {
    const { space } = this.alternative.choice;
    const haveOne = space.room.every(({ slots }) => Math.max(...slots) <= 1);
    for (const machines of haveOne ? [] : lessMachines(space, shape)) {
      const key = machines.join();
      if (missed.has(key) || this.#problem.laboratory.spent > until) continue;
      missed.add(key);
      const parts = new Set<number>();
      for (const late of FOR_SERVICES) parts.add(yield* this.#partFor(late));
      for (const part of parts) {
        const rows = yield* this.#mostOn(machines, part);
        if (rows !== null && (yield* this.keeps(filled(this.alternative, rows)))) return true;
      }
    }
    return false;
  }

  *#mostOn(machines: readonly number[], part: number): Generator<undefined, Relaxed["rows"]> {
    const within = (roots: number) => {
      const headroom = (least: number, waits: number) => 1 + (roots * waits) / least ** 0.5;
      return this.#relaxed({ headroom, part, machines });
    };
    let { rows } = yield* within(0);
    let roots = 0;
    for (let step = MOST_ROOTS / 2; rows !== null && step > MOST_ROOTS / 32; step /= 2) {
      const more = yield* within(roots + step);
      if (more.rows !== null) [roots, rows] = [roots + step, more.rows];
    }
    return rows;
  }

  *#relaxed(above: Above | null = null, isInTime = true): Generator<undefined, Relaxed> {
    const cuts = above === null ? this.#cuts : [];
    const { laboratory, solve } = this.#problem;
    return yield* laboratory.watched(relaxed(this.alternative, solve, cuts, above, isInTime));
  }

  /** As far as the bound is not close to what is known. */
  *#bornOut(key: string, known: number, until: number): Generator<undefined, void> {
    const look = this.#looks.get(key);
    const isWorth = this.#isThorough && look !== undefined && this.bound < CLOSE * known;
    if (!isWorth || !(yield* isBornOut(this.#problem, look, until))) this.#doubt();
  }

  #doubt(): void {
    this.#doubted = Math.min(this.#doubted, this.bound);
  }

  /** A task that misses by itself, the others with all that there may be; null where none is found. */
  *#tooFew(rows: readonly Row[]): Generator<undefined, ReturnType<typeof whole> | null> {
    if (rows.length === 1 || this.alternative.choice.space.hosting !== "apart") return null;
    const order = busiestFirst(this.alternative, rows);
    for (const t of this.#isThorough ? order : order.slice(0, 1)) {
      const key = `${t}/${rows[t].join()}`;
      if (yield* this.#taskMayKeep(key, t, rows[t])) continue;
      this.#problem.standing.explored.ruledOut.task++;
      return { cut: new Map([[t, rows[t]]]), key };
    }
    return null;
  }

  /** On machines of their own, of which a miss rules out all with as few. */
  *#taskMayKeep(key: string, task: number, row: Row): Generator<undefined, boolean> {
    const known = this.#keeps.get(key);
    if (known !== undefined) return known;
    const { space, bounds } = this.alternative.choice;
    const rows = space.bounds.high.map((most, t) => bounds.fastestRow(t, most)).with(task, row);
    const look = yield* relaxedLook(this.#problem, this.alternative, rows, +this.#isThorough);
    this.#remember(key, { ...look, error: wideError(++this.#wideLooks) });
    return look.keeps;
  }

  /** From rows that miss, one replica more of the busiest task again and again, until the goals are kept. */
  *#repaired(from: readonly Row[], limit: number, atOnce = 1): Generator<undefined, void> {
    let rows = from;
    for (let step = 1; step < atOnce + MOST_REPAIRS; step++) {
      const more = this.#oneMore(rows, limit);
      if (more === null) return;
      rows = filled(this.alternative, more);
      yield* this.#problem.laboratory.look();
      if (step >= atOnce && (yield* this.keeps(rows))) return;
    }
  }

  /** With a replica more of the busiest task that may have one; null where none may, or all would cost the limit. */
  #oneMore(rows: readonly Row[], limit: number): readonly Row[] | null {
    const { space } = this.alternative.choice;
    for (const t of busiestFirst(this.alternative, rows)) {
      if (sumOf(rows[t]) >= space.bounds.high[t]) continue;
      for (const [k, n] of rows[t].entries()) {
        const more = rows.with(t, rows[t].with(k, n + 1));
        if (n > 0 && this.#costOf(more) < limit - 1e-9) return more;
      }
    }
    return null;
  }

  /** Whether these rows keep the goals, on the requests of the search; then they are among those that passed. */
  *keeps(rows: readonly Row[]): Generator<undefined, boolean> {
    return this.#keeps.get(rows.join(";")) ?? (yield* this.#tried(rows, true));
  }

  /** Whether a pilot of these rows, the first of them, may keep the goals; then they are among the hopeful. */
  *hopes(rows: readonly Row[]): Generator<undefined, boolean> {
    if (this.#keeps.has(rows.join(";"))) return false;
    // Its cut is borne out by nothing yet.
    this.#doubt();
    return yield* this.#tried(rows, false);
  }

  pass(tried: Tried): void {
    const { standing } = this.#problem;
    this.passed.push(tried);
    const { incumbent } = standing;
    if (incumbent === null || costOfTried(tried) < costOfTried(incumbent))
      standing.incumbent = tried;
  }

  *#tried(rows: readonly Row[], isThorough: boolean): Generator<undefined, boolean> {
    const { standing } = this.#problem;
    const shape = this.alternative.choice.space.cheapestFor(rows);
    if (shape === null) throw new Error("rows without room");
    const contender = contenderOf(this.alternative, shape);
    standing.explored.combinations++;
    const seen = yield* lookedAt(this.#problem, contender.document, Number(isThorough));
    const isOpen = !isThorough || standing.confirmed === null;
    const look = { ...seen, keeps: seen.keeps && (isOpen || scoreOf(seen.trial) > this.#refused) };
    const tried = { contender, trial: look.trial };
    note(standing, tried);
    this.#remember(rows.join(";"), look);
    if (!look.keeps) standing.nearest = nearer(standing.nearest, tried);
    else if (isThorough) this.pass(tried);
    else this.hopeful.push(tried);
    return look.keeps;
  }

  #remember(key: string, look: Look): void {
    this.#keeps.set(key, look.keeps);
    this.#looks.set(key, look);
    if (this.#looks.size > MOST_LOOKS_KEPT) this.#looks.delete([...this.#looks.keys()][0]);
  }

  #cut(cut: Cut): void {
    this.#cuts = [...this.#cuts.filter((one) => !isWithin(one, cut, this.alternative.choice)), cut];
  }
}
