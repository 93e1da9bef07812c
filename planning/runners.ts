/** The contenders that race: combinations that no bound rules out before anything is simulated. */
import { sumOf } from "../engine/statistics/estimate.ts";
import {
  type Alternative,
  type Choice,
  type Contender,
  contenderOf,
  type Level,
} from "./contenders.ts";
import type { Machines } from "./cover.ts";
import type { Row } from "./space.ts";
import type { Problem } from "./standing.ts";

/** Some hundredths of a second. */
const SHAPES_A_LOOK = 2000;

export interface Runner {
  readonly contender: Contender;
  /** Utilisation of the busiest task. */
  readonly load: number;
}

/** Lists runners, and counts what it rules out. */
export class Runners {
  /** False once some were left untried. */
  isComplete = true;
  /** The least loaded contender that a bound ruled out. */
  nearestRuledOut: Runner | null = null;
  readonly #problem: Problem;

  constructor(problem: Problem) {
    this.#problem = problem;
  }

  /** The contenders of one price that no bound rules out, the least loaded first. */
  *on(level: Level): Generator<undefined, readonly Runner[]> {
    const runners: Runner[] = [];
    for (const { choice, machines } of level) {
      let looked = 0;
      for (const rows of choice.space.shapesOn(machines)) {
        if (++looked % SHAPES_A_LOOK === 0) yield* this.#problem.laboratory.look();
        if (rows !== null && !choice.space.isRepeated(rows))
          runners.push(...this.#withRows(choice, machines, rows));
      }
    }
    return runners.sort(byLoad);
  }

  #withRows(choice: Choice, machines: Machines, rows: readonly Row[]): readonly Runner[] {
    const { bounds } = choice;
    const alternatives = this.#problem.alternatives.filter((one) => one.choice === choice);
    const { explored } = this.#problem.standing;
    const { ruledOut } = explored;
    const runners: Runner[] = [];
    explored.combinations += alternatives.length;
    if (leavesSlot(choice, machines, rows)) {
      ruledOut.spareSlot += alternatives.length;
      return [];
    }
    const shape = { cost: machines.cost, machines: machines.counts, rows };
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
      const isNearer = this.nearestRuledOut === null || load < this.nearestRuledOut.load;
      if (!isNearer || (isSlow && alternative !== alternatives[0])) continue;
      this.nearestRuledOut = { contender: contenderOf(alternative, shape), load };
    }
    return runners;
  }
}

export function byLoad(a: Runner, b: Runner): number {
  return a.load - b.load || a.contender.alternative.rank - b.contender.alternative.rank;
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

/** Null where replicas are of several kinds. */
export function onlyKindOf(row: Row): number | null {
  const kinds = [...row.keys()].filter((kind) => row[kind] > 0);
  return kinds.length === 1 ? kinds[0] : null;
}
