/**
 * The search for the cheapest cluster and scheduler: from below, and in a large space from an incumbent above. Where the
 * two meet, all that is cheaper is ruled out; else their difference is the gap. docs/planning.md has the steps.
 * Source: Hooker & Ottosson, "Logic-based Benders decomposition", Mathematical Programming 96, 2003.
 */

import { digestOf } from "../engine/basics/digest.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import { type Alternative, combinationsOf } from "./contenders.ts";
import { Descent } from "./descent.ts";
import { isClear, looksAt, MOST_DOUBTED } from "./looks.ts";
import { reachOf, scoreOf } from "./outlook.ts";
import { brief } from "./run-length.ts";
import {
  confirm,
  costOfTried,
  isComfortable,
  nearer,
  note,
  type Problem,
  ranked,
  type Search,
  type Tried,
} from "./standing.ts";
import { FIRST_REPLICATIONS } from "./trial.ts";

/** From so many combinations of machines, replicas and schedulers on, an incumbent comes first. */
const LARGE = 200_000;
/** Shares of the budget after which a large space is looked at no more: for the first scheduler, and for others. */
const FOR_FIRST = 0.25;
const FOR_OTHERS = 0.4;
/** Then all go on in rounds of this share, until so large a share found nothing cheaper, at most to the last. */
const ROUND = 0.2;
const IDLE = 0.1;
const MOST = 0.8;
/** Confirmations that may fail on one price; in a large space in all, before each adds more replicas than the last. */
const MOST_REFUSALS = 3;
const LEAP = 1.5;
const MOST_RUNNERS_UP = 2;
/** Programs and clusters that runners-up are looked for with. */
const MOST_STEPS = 12;
/** Looks at a small space before those at its fullest cluster, which only problems without a solution need. */
const LOOKS_BELOW = 60;

export function isLarge({ alternatives }: Pick<Problem, "alternatives">): boolean {
  return combinationsOf(alternatives) >= LARGE;
}

/** Whether its scheduler did worse than that of the other on the same cluster and requests. */
function isBehind(one: Tried, other: Tried): boolean {
  return clusterOf(one) === clusterOf(other) && scoreOf(one.trial) < scoreOf(other.trial);
}

function clusterOf({ contender: { shape } }: Tried): string {
  return `${shape.machines}/${shape.rows.join(";")}`;
}

/** The search of all schedulers. */
export class Descents {
  readonly #problem: Problem;
  readonly #descents: readonly Descent[];
  readonly #isLarge: boolean;
  /** Those of a small space whose fullest cluster is still to be looked at. */
  readonly #unbounded: Descent[];
  /** By cluster and requests as served: the simplest scheduler that does so. */
  readonly #seen = new Map<string, Alternative>();
  /** Schedulers that treated every request of a pilot as a simpler one did on that cluster. */
  readonly #alike: { key: string; simpler: Alternative; alternative: Alternative }[] = [];
  /** Share of the budget that was spent when a confirmed plan was found cheaper the last time. */
  #foundAt = Number.NEGATIVE_INFINITY;

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#isLarge = isLarge(problem);
    this.#descents = problem.alternatives.map((one) => new Descent(problem, one, this.#isLarge));
    this.#unbounded = this.#isLarge ? [] : [...this.#descents];
  }

  /** Yields in the midst of replications, and after each program. */
  *run(): Generator<undefined, Search> {
    const { standing, laboratory } = this.#problem;
    for (const one of standing.missing === null ? this.#descents : []) yield* one.advance();
    if (this.#descents.every(({ bound }) => bound === Number.POSITIVE_INFINITY))
      standing.missing = yield* this.#tooMuch();
    yield;
    if (standing.missing !== null)
      return { runnersUp: [], alike: [], isComplete: true, isIdle: true };
    this.#tellBound();
    const [first, ...others] = this.#descents;
    // Larger batches may make much fewer machines do, which other orders hardly do.
    const order = [first, ...others.sort((a, b) => a.bound - b.bound)];
    const groups = this.#isLarge ? order.map((one) => [one]) : [this.#descents];
    let before = Number.POSITIVE_INFINITY;
    yield* this.#round(groups, FOR_OTHERS);
    // Neighbours of what was found last are worth a look by all schedulers.
    const isLeft = () => laboratory.spent < Math.min(MOST, this.#foundAt + IDLE);
    while (this.#isLarge && this.#limit < before && isLeft()) {
      before = this.#limit;
      yield* this.#round(groups, Math.min(MOST, laboratory.spent + ROUND));
    }
    const open = groups.find((group) => group.some(({ bound }) => Number.isFinite(bound)));
    if (this.#limit === Number.POSITIVE_INFINITY && open) yield* this.#settle(open, 1);
    this.#tellBound();
    const isIdle = laboratory.spent < MOST;
    if (standing.confirmed === null && standing.unclear === null) yield* this.#fullest();
    const isComplete = this.#descents.every(({ bound }) => bound >= this.#limit - 1e-9);
    const best = standing.confirmed;
    if (best === null) {
      const isOut = this.#descents.every(({ proven }) => proven === Number.POSITIVE_INFINITY);
      if (isOut) standing.missing ??= standing.shortage?.text ?? null;
      yield* this.#lost();
      return { runnersUp: [], alike: [], isComplete, isIdle };
    }
    const runnersUp = yield* this.#runnersUp(best);
    const own = this.#alike.filter(({ key }) => key === clusterOf(best));
    const alike = own.filter(({ simpler }) => simpler === best.contender.alternative);
    return { runnersUp, alike: alike.map(({ alternative }) => alternative), isComplete, isIdle };
  }

  /** All schedulers, one after the other in a large space, each with an equal part of the budget until a share of it. */
  *#round(groups: readonly (readonly Descent[])[], most: number): Generator<undefined, void> {
    const { laboratory } = this.#problem;
    for (const [i, group] of groups.entries()) {
      const before = this.#limit;
      const until = laboratory.spent + Math.max(0, (most - laboratory.spent) / (groups.length - i));
      const isFirst = i === 0 && before === Infinity;
      yield* this.#settle(group, !this.#isLarge ? 1 : isFirst ? FOR_FIRST : until);
      if (this.#limit < before) this.#foundAt = laboratory.spent;
    }
  }

  /** Cost of the confirmed plan. */
  get #limit(): number {
    const { confirmed } = this.#problem.standing;
    return confirmed === null ? Number.POSITIVE_INFINITY : costOfTried(confirmed);
  }

  /** The cheapest of these schedulers that fresh requests confirm, where it is cheaper than what stands. */
  *#settle(group: readonly Descent[], until: number): Generator<undefined, void> {
    if (group.every(({ bound }) => bound >= this.#limit - 1e-9)) return;
    if (this.#isLarge) yield* group[0].fromAbove(this.#limit, until);
    let refusals = { cost: 0, count: 0 };
    for (;;) {
      const isRefuted = this.#isLarge && refusals.count >= MOST_REFUSALS;
      // Looks take what fresh requests refuse: the cheapest that they find are of no use.
      if (!isRefuted) yield* this.#fromBelow(group, until);
      else if (this.#limit < Infinity && this.#problem.laboratory.spent > until) return;
      const passed = group.flatMap((one) => one.passed);
      const [found] = ranked(passed.filter((one) => costOfTried(one) < this.#limit - 1e-9));
      if (found === undefined) return;
      const { meets, trial } = yield* confirm(this.#problem, found.contender);
      const own = group.find((one) => one.passed.includes(found)) as Descent;
      const hasLeapt = this.#isLarge && refusals.count > 0;
      if (meets && (!hasLeapt || this.#problem.laboratory.spent > until)) return;
      if (meets) {
        yield* own.fromAbove(this.#limit, until);
        continue;
      }
      const cost = costOfTried(found);
      const isCounted = this.#isLarge || cost === refusals.cost;
      refusals = { cost, count: isCounted ? refusals.count + 1 : 1 };
      const beyond = refusals.count - MOST_REFUSALS;
      yield* own.refused(found, trial, this.#limit, Math.ceil(LEAP ** Math.max(0, beyond)));
      if (beyond >= 0) for (const one of group) one.drop(cost);
    }
  }

  /** Ends the search of schedulers that even with all machines keep no goal. */
  *#fullest(): Generator<undefined, void> {
    for (const one of this.#unbounded.splice(0)) if (yield* one.isFeasible()) return;
  }

  /** Until nothing is left that costs less than one that passed. */
  *#fromBelow(group: readonly Descent[], until: number): Generator<undefined, void> {
    const { laboratory, standing } = this.#problem;
    for (;;) {
      const one = group.reduce((least, other) => (other.bound < least.bound ? other : least));
      this.#tellBound();
      const [best] = ranked(group.flatMap(({ passed }) => passed));
      const known = Math.min(this.#limit, best === undefined ? Infinity : costOfTried(best));
      if (best !== undefined && !this.#isLarge) return;
      // Others of the same price may keep the goals better.
      const hopeful = group.flatMap((each) => each.hopeful);
      const price = Math.min(...hopeful.map(costOfTried));
      if (hopeful.some((each) => isComfortable(each)) || one.bound > price + 1e-9) {
        yield* this.#raced(group, price);
        continue;
      }
      if (one.bound >= known - 1e-9) return;
      if (laboratory.spent > until || one.isSpent) return;
      if (standing.explored.simulated >= LOOKS_BELOW) yield* this.#fullest();
      if (one.bound < known) yield* one.advance(known, until);
      this.#leaveAlike(one);
    }
  }

  /** The best of a price until it is clear, then the next best; after one that misses on all, the next price. */
  *#raced(group: readonly Descent[], price: number): Generator<undefined, void> {
    const { laboratory, standing, goals } = this.#problem;
    for (;;) {
      const hopeful = group.flatMap((one) => one.hopeful);
      const field = ranked(hopeful.filter((one) => costOfTried(one) <= price + 1e-9));
      if (field.length === 0) return;
      const [first] = field;
      const behind = field.filter((one) => isBehind(one, first));
      const { document, alternative } = first.contender;
      const trial = yield* laboratory.start(brief(document), goals, first.trial);
      const most = () => Math.max(looksAt(trial), scoreOf(trial) < 0 ? MOST_DOUBTED : 0);
      do yield* laboratory.extend(trial, trial.runs.length + 1);
      while (reachOf(trial) >= 0 && !isClear(trial) && trial.runs.length < most());
      const tried = { ...first, trial };
      note(standing, tried);
      const isKept = scoreOf(trial) >= 0;
      // Under faults or in a short window a pilot tells little of how others of the price do.
      const isVague = (document.faults?.random ?? []).length > 0 || looksAt(trial) > MOST_DOUBTED;
      this.#drop(isKept ? [first] : isVague || reachOf(trial) < 0 ? [first, ...behind] : field);
      if (isKept) return group.find((one) => one.alternative === alternative)?.pass(tried);
      standing.nearest = nearer(standing.nearest, tried);
    }
  }

  #drop(gone: readonly Tried[]): void {
    for (const one of this.#descents)
      one.hopeful = one.hopeful.filter((other) => !gone.includes(other));
  }

  #tellBound(): void {
    const { standing } = this.#problem;
    const { incumbent } = standing;
    const most = Math.min(this.#limit, incumbent === null ? Infinity : costOfTried(incumbent));
    const bounds = this.#descents.map(({ proven }) => proven);
    // A program's optimum and a sum of prices differ in their last digits.
    const bound = Math.min(most, Number(Math.min(...bounds).toFixed(6)));
    // Without a solution there is none that is a number.
    if (Number.isFinite(bound)) standing.bound = Math.max(standing.bound, bound);
  }

  /** Machines that have room for each task are too few for all; null where that is not why. */
  *#tooMuch(): Generator<undefined, string | null> {
    // The last has the largest batches, in which replicas do most.
    const { factor } = yield* (this.#descents.at(-1) as Descent).most(false);
    if (factor === 0 || factor >= 0.99) return null;
    return `all tasks together have more to do than all machines: these do at most ${(100 * factor).toFixed(0)} % of the jobs`;
  }

  /** The nearest miss; with faults, of which few replications see few, also its scheduler's fullest cluster. */
  *#lost(): Generator<undefined, void> {
    const { standing, laboratory, goals } = this.#problem;
    if (standing.incumbent !== null || standing.unclear !== null) return;
    const near = standing.nearest?.contender ?? null;
    const own = this.#descents.find(({ alternative }) => alternative === near?.alternative);
    const hasFaults = (near?.document.faults?.random ?? []).length > 0;
    const fullest = near === null || hasFaults ? yield* (own ?? this.#descents[0]).fullest() : null;
    let nearest: Tried | null = null;
    for (const contender of [near, fullest].filter((one) => one !== null)) {
      const key = digestOf(contender.document);
      const known = standing.refused.find((one) => digestOf(one.contender.document) === key);
      const trial = known?.trial ?? (yield* laboratory.start(contender.document, goals));
      const least = hasFaults ? MOST_DOUBTED : FIRST_REPLICATIONS;
      if (known === undefined) yield* laboratory.extend(trial, least);
      nearest = nearer(nearest, { contender, trial });
      standing.nearest = nearest;
      note(standing, nearest);
    }
  }

  /** Leaves out a cluster whose scheduler treats every request of its pilot as a simpler one does. */
  #leaveAlike({ hopeful, alternative }: Descent): void {
    const last = hopeful.at(-1);
    if (last === undefined) return;
    const key = `${clusterOf(last)}/${last.trial.runs[0].digest}`;
    const simpler = this.#seen.get(key);
    if (simpler === undefined) this.#seen.set(key, alternative);
    if (simpler === undefined || simpler === alternative) return;
    hopeful.pop();
    this.#alike.push({ key: clusterOf(last), simpler, alternative });
  }

  /** Others of the price, other schedulers on the plan's cluster, or the next cluster that keeps the goals. */
  *#runnersUp({ contender }: Tried): Generator<undefined, readonly Tried[]> {
    const { alternative, shape } = contender;
    const { laboratory, goals } = this.#problem;
    const own = this.#descents.find((one) => one.alternative === alternative) as Descent;
    const passed = () =>
      this.#descents.flatMap((one) => one.passed.filter((each) => each.contender !== contender));
    const others = this.#descents.filter((one) => one.alternative.choice === alternative.choice);
    for (const one of others) {
      const count = sumOf(this.#descents.map((each) => each.hopeful.length));
      if (count + passed().length >= MOST_RUNNERS_UP || laboratory.spent > 0.9) break;
      if (one !== own && (yield* one.hopes(shape.rows))) this.#leaveAlike(one);
    }
    const found: Tried[] = [];
    for (let step = 0; step < MOST_STEPS && laboratory.spent <= 0.9; step++) {
      if (found.length + passed().length >= MOST_RUNNERS_UP) break;
      const hopeful = this.#descents.flatMap((one) => one.hopeful);
      const [next] = ranked(hopeful.filter(({ trial }) => scoreOf(trial) >= 0));
      if (next === undefined && own.bound === Number.POSITIVE_INFINITY) break;
      if (next === undefined) yield* own.advance();
      else {
        this.#drop([next]);
        const trial = yield* laboratory.start(brief(next.contender.document), goals, next.trial);
        for (let n = 1; n <= FIRST_REPLICATIONS && reachOf(trial) >= 0; n++)
          yield* laboratory.extend(trial, n);
        if (scoreOf(trial) >= 0) found.push({ ...next, trial });
      }
    }
    const named = ranked([...found, ...passed()]).slice(0, MOST_RUNNERS_UP);
    for (const { trial } of named) yield* laboratory.extend(trial, FIRST_REPLICATIONS);
    return ranked(named.filter((one) => scoreOf(one.trial) >= 0));
  }
}
