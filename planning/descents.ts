/**
 * The search of a space too large to list. From above, an incumbent: capacity for more than the jobs, by as little as
 * keeps the goals. From below, the cheapest cluster that no bound and no cut rules out: a task that misses whatever the
 * others have is a cut, and so is a cluster that misses; the first one that keeps the goals costs least. Where the two
 * meet, all that is cheaper is ruled out; else their difference is the gap.
 * Source: Hooker & Ottosson, "Logic-based Benders decomposition", Mathematical Programming 96, 2003.
 */
import { Descent } from "./descent.ts";
import {
  confirm,
  costOfTried,
  type Problem,
  type Search,
  type Solver,
  type Tried,
} from "./standing.ts";

/** Shares of the budget after which no new cluster is looked at: of the own scheduler, and of others. */
const FOR_OWN = 0.25;
const FOR_OTHERS = 0.4;
const MOST_REFUSALS = 6;
const MOST_RUNNERS_UP = 2;

/** Yields in the midst of replications, and after each program. */
export function* descent(problem: Problem, solve: Solver): Generator<undefined, Search> {
  return yield* new Descents(problem, solve).run();
}

/** All schedulers, the scenario's own first. */
class Descents {
  readonly #problem: Problem;
  readonly #descents: readonly Descent[];

  constructor(problem: Problem, solve: Solver) {
    this.#problem = problem;
    this.#descents = problem.alternatives
      .filter(({ choice }) => choice.space.hosting === "apart")
      .map((alternative) => new Descent(problem, alternative, solve));
  }

  *run(): Generator<undefined, Search> {
    const { standing, laboratory } = this.#problem;
    for (const one of this.#descents) yield* one.bounded();
    this.#tellBound();
    for (const [i, one] of this.#descents.entries()) {
      const share = (FOR_OTHERS - laboratory.spent) / (this.#descents.length - i);
      const until = i === 0 ? FOR_OWN : laboratory.spent + Math.max(0, share);
      if (standing.confirmed === null || one.bound < costOfTried(standing.confirmed) - 1e-9) {
        yield* this.#settle(one, until);
      }
    }
    this.#tellBound();
    const best = standing.confirmed;
    const runnersUp = best === null ? [] : yield* this.#runnersUp(best);
    const left = Math.min(...this.#descents.map(({ bound }) => bound));
    const isComplete = best !== null && left >= costOfTried(best) - 1e-9;
    return { runnersUp, alike: [], isComplete };
  }

  /** The cheapest of one scheduler that fresh requests confirm, where it is cheaper than what stands. */
  *#settle(one: Descent, until: number): Generator<undefined, void> {
    const { standing, laboratory } = this.#problem;
    if (standing.confirmed === null) yield* one.fromAbove();
    else yield* one.keeps(standing.confirmed.contender.shape.rows);
    yield* one.downwards(until);
    for (let refusals = 0; refusals < MOST_REFUSALS; refusals++) {
      yield* one.fromBelow(until, () => this.#tellBound());
      const limit =
        standing.confirmed === null ? Number.POSITIVE_INFINITY : costOfTried(standing.confirmed);
      const found = one.cheapest(limit);
      if (found === null) return;
      const confirmed = yield* confirm(this.#problem, found.contender);
      if (confirmed.meets) return;
      one.refused(found, confirmed.trial);
      yield* one.repaired(found.contender.shape.rows, limit);
      if (standing.confirmed !== null && laboratory.spent > until) return;
    }
  }

  #tellBound(): void {
    const { standing } = this.#problem;
    const bounds = this.#descents.map(({ proven }) => proven);
    const most =
      standing.confirmed === null ? Number.POSITIVE_INFINITY : costOfTried(standing.confirmed);
    standing.bound = Math.min(most, ...bounds);
  }

  /** The next dearer clusters that keep the goals, and other schedulers on the plan's cluster. */
  *#runnersUp(best: Tried): Generator<undefined, readonly Tried[]> {
    const { alternative, shape } = best.contender;
    const found = this.#descents
      .flatMap(({ passed }) => passed)
      .filter(
        ({ contender }) =>
          contender.alternative !== alternative || contender.shape.cost > shape.cost,
      );
    for (const one of this.#descents.filter((other) => other.alternative !== alternative)) {
      if (found.length >= MOST_RUNNERS_UP || this.#problem.laboratory.spent > 0.9) break;
      if (one.alternative.choice !== alternative.choice) continue;
      if (yield* one.keeps(shape.rows)) found.push(one.passed.at(-1) as Tried);
    }
    return found.sort((a, b) => costOfTried(a) - costOfTried(b)).slice(0, MOST_RUNNERS_UP);
  }
}
