/**
 * Tasks that miss whatever the others have: a pilot with this task's replicas, and of all other tasks as
 * many as there may be on their fastest kind, rules out every shape with these replicas of the task, or
 * fewer of the same kind.
 */
import type { Alternative, Problem } from "./contenders.ts";
import type { Row } from "./space.ts";
import { reachOf } from "./trial.ts";

/** Pilots that failed before tasks are probed. */
const PATIENCE = 2;

/** Those of one alternative. */
export class Probes {
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
    const run = yield* laboratory.pilot({ ...document, cluster });
    const mayDo = reachOf(goals, [run]) >= 0;
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

/** Null where replicas are of several kinds. */
export function onlyKindOf(row: Row): number | null {
  const kinds = [...row.keys()].filter((kind) => row[kind] > 0);
  return kinds.length === 1 ? kinds[0] : null;
}
