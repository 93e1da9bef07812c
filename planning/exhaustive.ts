/**
 * Simulates every combination in full, from the cheapest machines to the dearest. It leaves out only
 * combinations that cost more than one that keeps the goals: their cost is known beforehand.
 */
import {
  type Contender,
  confirm,
  contenderOf,
  levelsOf,
  nearer,
  nothingExplored,
  type Problem,
  ranked,
  type Search,
  scoreOfTried,
  type Tried,
} from "./contenders.ts";

/** Yields after each replication. */
export function* exhaustive(problem: Problem): Generator<undefined, Search> {
  const { goals, laboratory, alternatives, mostTrials } = problem;
  const explored = nothingExplored();
  let nearest: Tried | null = null;
  const told = (best: Tried | null, runnersUp: readonly Tried[], isComplete: boolean): Search => {
    return { best, runnersUp, nearest, isComplete, explored, alike: [] };
  };
  for (const level of levelsOf(alternatives)) {
    const contenders: Contender[] = [];
    for (const { choice, machines } of level) {
      choice.space.shapesOn(machines, (rows) => {
        if (choice.space.isRepeated(rows)) return true;
        const shape = { cost: machines.cost, machines: machines.counts, rows: [...rows] };
        for (const alternative of alternatives) {
          if (alternative.choice === choice) contenders.push(contenderOf(alternative, shape));
        }
        return explored.combinations + contenders.length < mostTrials;
      });
    }
    explored.combinations += contenders.length;
    const meeting: Tried[] = [];
    for (const contender of contenders) {
      if (explored.simulated >= mostTrials) return told(null, [], false);
      explored.simulated++;
      const trial = yield* laboratory.start(contender.document, goals);
      yield* laboratory.extend(trial, Math.max(2, trial.document.run.replications));
      const tried = { contender, trial };
      nearest = nearer(nearest, tried);
      if (scoreOfTried(tried) >= 0) meeting.push(tried);
    }
    const order = ranked(meeting);
    for (const [i, { contender }] of order.entries()) {
      const confirmed = yield* confirm(problem, explored, contender);
      if (confirmed.meets) return told(confirmed, order.slice(i + 1), true);
    }
  }
  return told(null, [], true);
}
