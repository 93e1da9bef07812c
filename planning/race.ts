/**
 * The planner of this house. Machines by ascending cost; on each price, all contenders race:
 *
 *   1. Bounds rule out, before anything is simulated, shapes of which a task is offered more than it can
 *      do or serves too slowly, and shapes that leave a free slot to a task that could use it.
 *   2. A pilot of each: the start of the first replication. Those that are far from the goals are
 *      out, and so are schedulers that treat every request as a simpler one does. A task whose replicas
 *      miss even where all other tasks have as many as there may be is out with all its contenders.
 *   3. Successive halving: the better half gets twice as many replications. All get the same requests
 *      (common random numbers), so few replications tell them apart.
 *   4. The first that fresh requests confirm is the answer. Nothing that costs more was simulated.
 *
 * Steps 1 (free slots) and 2 (tasks) take it that more replicas of a kind do no harm.
 * Sources: Karnin, Koren and Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013
 * (successive halving); Law & Kelton, Simulation Modeling and Analysis, 3rd ed., 2000, section 11.2.
 */
import { sumOf } from "../core/statistics/estimate.ts";
import {
  type Alternative,
  type Choice,
  Confirmations,
  type Contender,
  contenderOf,
  costOfTried,
  type Level,
  levelsOf,
  nearer,
  nothingExplored,
  type Problem,
  ranked,
  type Search,
  scoreOfTried,
  type Tried,
} from "./contenders.ts";
import { onlyKindOf, Probes } from "./probes.ts";
import type { Machines, Row } from "./space.ts";
import { FIRST_REPLICATIONS, isHopeless, scoreOf } from "./trial.ts";

/** Beyond so many combinations, those with an overloaded task are left out uncounted. */
const MOST_COUNTED = 1_000_000;
/** Combinations to look at: about a minute. */
const MOST_COMBINATIONS = 30_000_000;
/** Contenders that race together; of one price there may be many more. */
const HEAT = 32;
/** Finalists of a heat that get to the last round. */
const FINALISTS = 2;
/** Confirmations that may fail on one price. */
const MOST_FAILED = 3;
/** Scores this close are ties: then the simpler scheduler goes on. */
const TIE = 0.1;
/** A score at which fresh requests are asked at once: more of the old ones would tell little. */
const COMFORTABLE = 0.3;
const MOST_RUNNERS_UP = 2;
/** Further contenders that a runner-up is looked for among. */
const MOST_FOR_RUNNER_UP = 16;
/** Least loaded contenders that a nearest miss is looked for among. */
const MOST_NEAREST = 4;

/** Yields after each pilot and each replication. */
export function* race(problem: Problem): Generator<undefined, Search> {
  return yield* new Race(problem).run();
}

interface Runner {
  readonly contender: Contender;
  /** Utilisation of the busiest task. */
  readonly load: number;
}

interface Pilot extends Runner {
  readonly score: number;
}

interface Heat {
  readonly finalists: readonly Tried[];
  /** Pilots that may follow where the finalists are not confirmed. */
  readonly untried: readonly Pilot[];
}

class Race {
  readonly #problem: Problem;
  readonly #explored = nothingExplored();
  readonly #confirmations: Confirmations;
  readonly #probes = new Map<Alternative, Probes>();
  /** Schedulers that treated every request as a simpler one did, by that one. */
  readonly #alike = new Map<Alternative, readonly Alternative[]>();
  #nearest: Pilot | null = null;
  /** The least loaded of all runners, in case that none keeps the goals. */
  #leastLoaded: readonly Runner[] = [];
  /** The least loaded contender that a bound ruled out. */
  #ruledOut: Runner | null = null;
  #isComplete = true;

  constructor(problem: Problem) {
    this.#problem = problem;
    this.#confirmations = new Confirmations(problem, this.#explored);
  }

  *run(): Generator<undefined, Search> {
    const levels = levelsOf(this.#problem.alternatives);
    for (const level of levels) {
      const runners = this.#runnersOn(level);
      this.#leastLoaded = [...runners.slice(0, MOST_NEAREST), ...this.#leastLoaded]
        .sort(byLoad)
        .slice(0, MOST_NEAREST);
      let failed = 0;
      for (let start = 0; start < runners.length && failed < MOST_FAILED; start += HEAT) {
        let pilots = yield* this.#pilots(runners.slice(start, start + HEAT));
        while (pilots.length > 0 && failed < MOST_FAILED) {
          const { finalists, untried } = yield* this.#heat(pilots, failed === 0);
          let order = ranked(finalists).filter((one) => scoreOfTried(one) >= 0);
          while (order.length > 0 && failed < MOST_FAILED) {
            const [{ contender }, ...others] = order;
            const confirmed = yield* this.#confirmations.of(contender);
            if (confirmed.meets) {
              return this.#told(confirmed, yield* this.#runnersUp(confirmed, others, levels), null);
            }
            failed++;
            order = bestFirst(others);
          }
          pilots = untried;
        }
      }
      if (!this.#isComplete) break;
    }
    return yield* this.#lost();
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
      return shown;
    }
    let left = MOST_FOR_RUNNER_UP;
    for (const level of levels) {
      const runners = this.#runnersOn(level).filter(
        (one) => one.contender.alternative === alternative,
      );
      const [pilot] = yield* this.#pilots(runners.slice(0, left));
      if (pilot !== undefined && pilot.score >= 0) {
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
    if (hopeful.length === 0 && this.#ruledOut !== null) hopeful.push(this.#ruledOut);
    let nearest: Tried | null = null;
    for (const { contender } of hopeful) {
      nearest = nearer(nearest, yield* this.#inShort(contender));
    }
    return this.#told(null, [], nearest);
  }

  #told(best: Tried | null, runnersUp: readonly Tried[], nearest: Tried | null): Search {
    const alike = best === null ? [] : (this.#alike.get(best.contender.alternative) ?? []);
    return {
      ...{ best, runnersUp, nearest, alike: [...new Set(alike)] },
      ...{ isComplete: this.#isComplete, explored: this.#explored },
    };
  }

  *#inShort(contender: Contender): Generator<undefined, Tried> {
    const { laboratory, goals } = this.#problem;
    const trial = yield* laboratory.start(contender.document, goals);
    yield* laboratory.extend(trial, FIRST_REPLICATIONS);
    return { contender, trial };
  }

  /** The contenders of one price that no bound rules out, the least loaded first. */
  #runnersOn(level: Level): readonly Runner[] {
    return level
      .flatMap(({ choice, machines }) => this.#runnersOnMachines(choice, machines))
      .sort(byLoad);
  }

  #runnersOnMachines(choice: Choice, machines: Machines): readonly Runner[] {
    const { space, bounds } = choice;
    const alternatives = this.#problem.alternatives.filter((one) => one.choice === choice);
    const { ruledOut } = this.#explored;
    const runners: Runner[] = [];
    const isLarge = this.#explored.combinations > MOST_COUNTED;
    const isUseful = (task: number, row: Row): boolean =>
      !isLarge ||
      alternatives.some((one) => one.proceeds || utilisationOf(one, task, row, !one.isOpen) < 1);
    const visit = (rows: readonly Row[]): boolean => {
      if (space.isRepeated(rows)) return true;
      if (this.#explored.combinations > MOST_COMBINATIONS) this.#isComplete = false;
      if (!this.#isComplete) return false;
      this.#explored.combinations += alternatives.length;
      if (leavesSlot(choice, machines, rows)) {
        ruledOut.spareSlot += alternatives.length;
        return true;
      }
      const shape = { cost: machines.cost, machines: machines.counts, rows: [...rows] };
      const isSlow = bounds.servesTooSlowly(rows);
      for (const alternative of alternatives) {
        const { isOpen, proceeds } = alternative;
        const load = loadOf(alternative, rows);
        const isOverloaded = (): boolean => (isOpen ? load : loadOf(alternative, rows, true)) >= 1;
        const reason = isSlow ? "serviceTime" : isOverloaded() ? "utilisation" : null;
        if (reason === null || proceeds) {
          runners.push({ contender: contenderOf(alternative, shape), load });
          continue;
        }
        ruledOut[reason]++;
        // Too slow without a wait: batches, which spread the load, are no help.
        const isNearer = this.#ruledOut === null || load < this.#ruledOut.load;
        if (!isNearer || (isSlow && alternative !== alternatives[0])) continue;
        this.#ruledOut = { contender: contenderOf(alternative, shape), load };
      }
      return true;
    };
    space.shapesOn(machines, visit, isUseful);
    return runners;
  }

  /**
   * Rounds of twice as many replications for half as many; the finalists. `hasty`: where enough of the
   * first ones are comfortable after one replication, the others are left untried.
   */
  *#heat(pilots: readonly Pilot[], hasty: boolean): Generator<undefined, Heat> {
    const { laboratory, goals } = this.#problem;
    const mayStop = !pilots.some(({ contender }) => contender.alternative.scales);
    const fit = half(pilots, 2 * FINALISTS);
    const all = Math.max(2, pilots[0].contender.document.run.replications);
    let field: Tried[] = [];
    let comfortable = 0;
    for (const { contender } of fit) {
      const tried = { contender, trial: yield* laboratory.start(contender.document, goals) };
      yield* laboratory.extend(tried.trial, 1);
      field.push(tried);
      const isComfortable = hasty && mayStop && scoreOfTried(tried) >= COMFORTABLE;
      if (isComfortable && ++comfortable === FINALISTS) {
        return { finalists: field, untried: pilots.slice(field.length) };
      }
    }
    for (let count = 1; ; ) {
      field = field
        .filter(({ trial }) => !isHopeless(goals, trial.runs))
        .sort((a, b) =>
          byTiedScore([scoreOfTried(a), a.contender], [scoreOfTried(b), b.contender]),
        );
      const isOver = count === all || field.length === 0;
      if (isOver || (mayStop && scoreOfTried(field[0]) >= COMFORTABLE)) {
        return { finalists: field, untried: [] };
      }
      field = half(field, FINALISTS);
      count = Math.min(2 * count, all);
      for (const { trial } of field) yield* laboratory.extend(trial, count);
    }
  }

  /** Those whose pilots may yet keep the goals, the best first. */
  *#pilots(runners: readonly Runner[]): Generator<undefined, readonly Pilot[]> {
    const { laboratory, goals, mostTrials } = this.#problem;
    const { ruledOut } = this.#explored;
    const seen = new Map<string, Alternative>();
    const pilots: Pilot[] = [];
    for (const runner of runners) {
      const { contender } = runner;
      const { rows } = contender.shape;
      const probes = this.#probesOf(contender.alternative);
      if (probes.ruleOut(rows)) {
        ruledOut.task++;
        continue;
      }
      if (this.#explored.simulated >= mostTrials) {
        this.#isComplete = false;
        break;
      }
      this.#explored.simulated++;
      const run = yield* laboratory.pilot(contender.document);
      const pilot = { ...runner, score: scoreOf(goals, [run]) };
      if (this.#nearest === null || pilot.score > this.#nearest.score) this.#nearest = pilot;
      if (isHopeless(goals, [run])) {
        yield* probes.failed(rows);
        continue;
      }
      const key = `${contender.shape.machines}/${rows.join(";")}/${run.digest}`;
      const simpler = seen.get(key);
      if (simpler === undefined) {
        seen.set(key, contender.alternative);
        pilots.push(pilot);
        continue;
      }
      ruledOut.same++;
      this.#alike.set(simpler, [...(this.#alike.get(simpler) ?? []), contender.alternative]);
    }
    pilots.sort((a, b) => byTiedScore([a.score, a.contender], [b.score, b.contender]));
    return pilots;
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

/** The cheapest first; of equal ones, the best: the simplest has failed. */
function bestFirst(tried: readonly Tried[]): Tried[] {
  return [...tried].sort(
    (a, b) => costOfTried(a) - costOfTried(b) || scoreOfTried(b) - scoreOfTried(a),
  );
}

function byLoad(a: Runner, b: Runner): number {
  return a.load - b.load || a.contender.alternative.rank - b.contender.alternative.rank;
}

/** The simpler scheduler first, of those that are comfortable or close. */
function byTiedScore(
  [first, a]: readonly [score: number, Runner["contender"]],
  [second, b]: readonly [score: number, Runner["contender"]],
): number {
  const [x, y] = [first, second].map((score) => Math.round(Math.min(score, COMFORTABLE) / TIE));
  return y - x || a.alternative.rank - b.alternative.rank;
}

/** `least`: by the jobs alone that the goals need. */
function utilisationOf(
  { choice, batches }: Alternative,
  task: number,
  row: Row,
  least = false,
): number {
  return choice.bounds.utilisation(task, row, batches[task], least);
}

function loadOf(alternative: Alternative, rows: readonly Row[], least = false): number {
  return Math.max(...rows.map((row, task) => utilisationOf(alternative, task, row, least)));
}

/** Whether a free slot is of the only kind that some task has, and the task may have one more. */
function leavesSlot(
  { space, slowsDown }: Choice,
  machines: Machines,
  rows: readonly Row[],
): boolean {
  if (slowsDown) return false;
  const { high } = space.bounds;
  const spare = space.spare(machines, rows);
  return rows.some((row, task) => {
    const kind = onlyKindOf(row);
    if (kind === null || spare[kind] === 0 || sumOf(row) === high[task]) return false;
    const more = rows.with(task, row.with(kind, row[kind] + 1));
    return space.fits(machines.counts, more);
  });
}
