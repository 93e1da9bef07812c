/**
 * The planner of this house: machines by ascending cost, and on each price a race of all contenders. Bounds and pilots
 * rule most of them out, successive halving on common random numbers finds the best, and fresh requests confirm it.
 * docs/planning.md has the steps and what they assume.
 * Sources: Karnin, Koren and Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013
 * (successive halving); Law & Kelton, Simulation Modeling and Analysis, 3rd ed., 2000, section 11.2.
 */
import { type Alternative, type Contender, combinationsOf, levelsOf } from "./contenders.ts";
import { descent } from "./descents.ts";
import { reachOf, scoreOf } from "./outlook.ts";
import { byLoad, onlyKindOf, type Runner, Runners } from "./runners.ts";
import type { Row } from "./space.ts";
import {
  COMFORTABLE,
  confirm,
  isComfortable,
  nearer,
  note,
  type Problem,
  ranked,
  type Search,
  scoreOfTried,
  type Tried,
  tiedScore,
} from "./standing.ts";
import { FIRST_REPLICATIONS, type Trial } from "./trial.ts";

/** Contenders that race together; of one price there may be many more. */
const HEAT = 32;
/** Finalists of a heat that get to the last round. */
const FINALISTS = 2;
/** Contenders that are compared with all replications after a refusal. */
const MOST_COMPARED = 4;
/** Confirmations that may fail on one price. */
const MOST_REFUSALS = 3;
const MOST_RUNNERS_UP = 2;
/** Further contenders that a runner-up is looked for among. */
const MOST_FOR_RUNNER_UP = 16;
/** Least loaded contenders that a nearest miss is looked for among. */
const MOST_NEAREST = 2;

/** Combinations of machines, replicas and schedulers that are listed; of more, a descent finds the cheapest. */
const MOST_LISTED = 200_000;

/** Yields after each pilot and each replication. */
export function* race(problem: Problem): Generator<undefined, Search> {
  const { solve } = problem;
  const isAll = solve === null || isListed(problem);
  return isAll ? yield* new Race(problem).run() : yield* descent(problem, solve);
}

export function isListed(problem: Problem): boolean {
  const machines = problem.alternatives.map(({ choice }) => choice.space.machineChoices);
  return Math.max(combinationsOf(problem.alternatives, MOST_LISTED), ...machines) < MOST_LISTED;
}

/** A runner whose pilot may keep the goals. */
interface Entrant extends Runner {
  readonly pilotScore: number;
  /** Null until it races. */
  trial: Trial | null;
}

type Finalist = Entrant & Tried;

class Race {
  readonly #problem: Problem;
  readonly #runners: Runners;
  readonly #probes = new Map<Alternative, Probes>();
  /** Schedulers that treated every request as a simpler one did, by that one. */
  readonly #alike = new Map<Alternative, readonly Alternative[]>();
  #nearest: Entrant | null = null;
  /** The least loaded of all runners, in case that none keeps the goals. */
  #leastLoaded: readonly Runner[] = [];

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#runners = new Runners(problem);
  }

  *run(): Generator<undefined, Search> {
    const levels = levelsOf(this.#problem.alternatives);
    const { standing } = this.#problem;
    for (const level of levels) {
      // Pilots and halving are too quick for more: the bound is the first price that no service or load rules out.
      if (this.#leastLoaded.length === 0) standing.bound = level[0].machines.cost;
      const runners = yield* this.#runners.on(level);
      this.#leastLoaded = [...runners.slice(0, MOST_NEAREST), ...this.#leastLoaded]
        .sort(byLoad)
        .slice(0, MOST_NEAREST);
      const won = yield* this.#winnerOf(runners);
      if (won !== null) {
        const runnersUp = yield* this.#runnersUp(won.best, won.others, levels);
        return this.#told(won.best, runnersUp);
      }
      if (!this.#runners.isComplete) break;
    }
    return yield* this.#lost();
  }

  /** The first that fresh requests confirm, and those that came next to it. */
  *#winnerOf(
    runners: readonly Runner[],
  ): Generator<undefined, { readonly best: Tried; readonly others: readonly Tried[] } | null> {
    const field: Entrant[] = [];
    let order: readonly Finalist[] = [];
    let start = 0;
    while (start < runners.length && !(order.length > 0 && isComfortable(order[0]))) {
      const heat = yield* this.#pilots(runners.slice(start, start + HEAT));
      start += HEAT;
      field.push(...heat);
      order = ranked([...order, ...(yield* this.#raced(heat))]);
    }
    // Which more replications may show to keep the goals.
    if (order.length > 0 && scoreOfTried(order[0]) < 0) {
      order = yield* this.#compared(order.slice(0, FINALISTS), 2);
    }
    for (let refusals = 0; refusals < MOST_REFUSALS; refusals++) {
      const [first, ...others] = order.filter((one) => scoreOfTried(one) >= 0);
      if (first === undefined) return null;
      this.#problem.standing.incumbent = first;
      const confirmed = yield* confirm(this.#problem, first.contender);
      if (confirmed.meets) return { best: confirmed, others };
      field.splice(field.indexOf(first), 1);
      if (refusals === 0) field.push(...(yield* this.#pilots(runners.slice(start))));
      order = yield* this.#compared(field, 1);
    }
    return null;
  }

  /** Others of the same price, or else the next price at which the same scheduler keeps the goals. */
  *#runnersUp(
    { contender: { alternative } }: Tried,
    others: readonly Tried[],
    levels: ReturnType<typeof levelsOf>,
  ): Generator<undefined, readonly Tried[]> {
    if (others.length > 0) {
      const shown = others.slice(0, MOST_RUNNERS_UP);
      for (const { trial } of shown)
        yield* this.#problem.laboratory.extend(trial, FIRST_REPLICATIONS);
      return shown.filter((one) => scoreOfTried(one) >= 0);
    }
    let left = MOST_FOR_RUNNER_UP;
    for (const level of levels) {
      const all = yield* this.#runners.on(level);
      const runners = all.filter((one) => one.contender.alternative === alternative);
      const [pilot] = yield* this.#pilots(runners.slice(0, left));
      if (pilot !== undefined && pilot.pilotScore >= 0) {
        const tried = yield* this.#inShort(pilot.contender);
        if (scoreOfTried(tried) >= 0) return [tried];
      }
      left -= runners.length;
      if (left <= 0) break;
    }
    return [];
  }

  /** The best of the least loaded and of the best pilot, which a short pilot alone tells badly. */
  *#lost(): Generator<undefined, Search> {
    const hopeful: Runner[] = [
      ...(this.#nearest === null ? [] : [this.#nearest]),
      ...this.#leastLoaded,
    ];
    const { nearestRuledOut } = this.#runners;
    if (hopeful.length === 0 && nearestRuledOut !== null) hopeful.push(nearestRuledOut);
    const { standing } = this.#problem;
    standing.nearest = null;
    for (const { contender } of hopeful)
      standing.nearest = nearer(standing.nearest, yield* this.#inShort(contender));
    return this.#told(null, []);
  }

  #told(best: Tried | null, runnersUp: readonly Tried[]): Search {
    const alike = best === null ? [] : (this.#alike.get(best.contender.alternative) ?? []);
    return { runnersUp, alike: [...new Set(alike)], isComplete: this.#runners.isComplete };
  }

  *#inShort(contender: Contender): Generator<undefined, Tried> {
    const { laboratory, goals } = this.#problem;
    const trial = yield* laboratory.start(contender.document, goals);
    yield* laboratory.extend(trial, FIRST_REPLICATIONS);
    note(this.#problem.standing, { contender, trial });
    return { contender, trial };
  }

  /** Rounds of twice as many replications for half as many, until the best is comfortable; the finalists. */
  *#raced(entrants: readonly Entrant[]): Generator<undefined, readonly Finalist[]> {
    const mayStop = !entrants.some(({ contender }) => contender.alternative.scales);
    let field = half(entrants, 2 * FINALISTS);
    for (let count = 1; field.length > 0; count = Math.min(2 * count, this.#replications)) {
      const raced: Finalist[] = [];
      let comfortable = 0;
      for (const entrant of field) {
        const finalist = yield* this.#extended(entrant, count);
        if (this.#reaches(finalist, 0)) raced.push(finalist);
        if (mayStop && isComfortable(finalist) && ++comfortable === FINALISTS) break;
      }
      if (comfortable > 0 || count === this.#replications) return raced;
      field = half(inOrder(raced), FINALISTS);
    }
    return [];
  }

  /**
   * In order, each with `times` run.replications, or as many as it takes to see that it does not reach the
   * best.
   */
  *#compared(
    entrants: readonly Entrant[],
    times: number,
  ): Generator<undefined, readonly Finalist[]> {
    const most = times * this.#replications;
    let field: readonly Entrant[] = inOrder(entrants).slice(0, MOST_COMPARED);
    for (let count = 1; ; count = Math.min(2 * count, most)) {
      const raced: Finalist[] = [];
      for (const entrant of field) raced.push(yield* this.#extended(entrant, count));
      const best = Math.max(...raced.map(scoreOfTried));
      const least = Math.max(0, Math.min(best, COMFORTABLE));
      const left = raced.filter((one) => this.#reaches(one, least));
      if (count === most || left.length === 0) return ranked(left);
      field = left;
    }
  }

  get #replications(): number {
    return Math.max(2, this.#problem.alternatives[0].document.run.replications);
  }

  *#extended(entrant: Entrant, count: number): Generator<undefined, Finalist> {
    const { laboratory, goals, standing } = this.#problem;
    entrant.trial ??= yield* laboratory.start(entrant.contender.document, goals);
    yield* laboratory.extend(entrant.trial, count);
    note(standing, entrant as Finalist);
    return entrant as Finalist;
  }

  #reaches({ trial }: Finalist, score: number): boolean {
    return reachOf(this.#problem.goals, trial.runs) >= score;
  }

  /** Those whose pilots may yet keep the goals, the best first. */
  *#pilots(runners: readonly Runner[]): Generator<undefined, readonly Entrant[]> {
    const { laboratory, goals, mostTrials, standing } = this.#problem;
    const { explored } = standing;
    const seen = new Map<string, Alternative>();
    const entrants: Entrant[] = [];
    for (const runner of runners) {
      const { contender } = runner;
      const { rows } = contender.shape;
      const probes = this.#probesOf(contender.alternative);
      if (probes.ruleOut(rows)) {
        explored.ruledOut.task++;
        continue;
      }
      if (explored.simulated >= mostTrials) {
        this.#runners.isComplete = false;
        break;
      }
      explored.simulated++;
      const trial = yield* laboratory.pilot(contender.document, goals);
      const [run] = trial.runs;
      const entrant: Entrant = { ...runner, pilotScore: scoreOf(goals, [run]), trial: null };
      note(standing, { contender, trial });
      if (this.#nearest === null || entrant.pilotScore > this.#nearest.pilotScore) {
        this.#nearest = entrant;
        standing.nearest = { contender, trial };
      }
      if (reachOf(goals, [run]) < 0) {
        yield* probes.failed(rows);
        continue;
      }
      const key = `${contender.shape.machines}/${rows.join(";")}/${run.digest}`;
      const simpler = seen.get(key);
      if (simpler === undefined) {
        seen.set(key, contender.alternative);
        entrants.push(entrant);
        continue;
      }
      explored.ruledOut.same++;
      this.#alike.set(simpler, [...(this.#alike.get(simpler) ?? []), contender.alternative]);
    }
    return inOrder(entrants);
  }

  #probesOf(alternative: Alternative): Probes {
    const known = this.#probes.get(alternative) ?? new Probes(this.#problem, alternative);
    this.#probes.set(alternative, known);
    return known;
  }
}

/**
 * The first half, but no fewer than `least`, and all whose replicas come and go: their costs are not
 * known yet.
 */
function half<T extends { readonly contender: Contender }>(all: readonly T[], least: number): T[] {
  const steady = all.filter(({ contender }) => !contender.alternative.scales);
  const kept = new Set(steady.slice(0, Math.max(least, Math.ceil(steady.length / 2))));
  return all.filter((one) => one.contender.alternative.scales || kept.has(one));
}

/** The best first, by all that is known of each. */
function inOrder(entrants: readonly Entrant[]): Entrant[] {
  const scoreNow = (one: Entrant): number =>
    tiedScore(one.trial === null ? one.pilotScore : scoreOfTried(one as Finalist));
  const rank = (one: Entrant): number => one.contender.alternative.rank;
  return [...entrants].sort((a, b) => scoreNow(b) - scoreNow(a) || rank(a) - rank(b));
}

/** Pilots that failed before tasks are probed. */
const PATIENCE = 2;

/**
 * Tasks of one alternative that miss whatever the others have: a pilot with this task's replicas, and of all other
 * tasks as many as there may be on their fastest kind, rules out every shape with these replicas of the task, or
 * fewer of the same kind.
 */
class Probes {
  readonly #problem: Problem;
  readonly #alternative: Alternative;
  /** By task and replicas: whether it may keep the goals. */
  readonly #known = new Map<string, boolean>();
  /** By task and kind: most replicas of that kind alone with which the task misses. */
  readonly #tooFew = new Map<string, number>();
  #failures = 0;

  constructor(problem: Problem, alternative: Alternative) {
    this.#problem = problem;
    this.#alternative = alternative;
  }

  ruleOut(rows: readonly Row[]): boolean {
    return rows.some((row, task) => {
      if (this.#known.get(keyOf(task, row)) === false) return true;
      const kind = onlyKindOf(row);
      return kind !== null && row[kind] <= (this.#tooFew.get(`${task}/${kind}`) ?? 0);
    });
  }

  /** After a pilot that failed: probes its busiest task that is not known yet. */
  *failed(rows: readonly Row[]): Generator<undefined, void> {
    if (rows.length === 1 || ++this.#failures <= PATIENCE) return;
    const { goals, laboratory } = this.#problem;
    const { document, choice, batches } = this.#alternative;
    const task = [...rows.keys()]
      .filter((one) => !this.#known.has(keyOf(one, rows[one])))
      .map((one) => ({ one, load: choice.bounds.utilisation(one, rows[one], batches[one]) }))
      .sort((a, b) => b.load - a.load)[0]?.one;
    if (task === undefined) return;
    const relaxed = rows.map((row, other) => (other === task ? row : this.#most(other)));
    const cluster = choice.space.relaxedClusterOf(relaxed);
    const { runs } = yield* laboratory.pilot({ ...document, cluster }, goals);
    const mayDo = reachOf(goals, runs) >= 0;
    this.#known.set(keyOf(task, rows[task]), mayDo);
    const kind = onlyKindOf(rows[task]);
    if (mayDo || kind === null) return;
    const key = `${task}/${kind}`;
    this.#tooFew.set(key, Math.max(rows[task][kind], this.#tooFew.get(key) ?? 0));
  }

  /** As many as there may be, of the kind that is fastest for the task. */
  #most(task: number): Row {
    const { space, bounds } = this.#alternative.choice;
    const times = space.runsOn[task].map((_, kind) => bounds.meanMs(task, kind));
    const fastest = times.indexOf(Math.min(...times));
    return times.map((_, kind) => (kind === fastest ? space.bounds.high[task] : 0));
  }
}

function keyOf(task: number, row: Row): string {
  return `${task}/${row.join()}`;
}
