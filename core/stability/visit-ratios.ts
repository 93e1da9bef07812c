/** How often a request visits each task: what its conditions, caches and joins leave of it. */
import type { PipelineSystem } from "../system.ts";

/** More random decisions than this are not enumerated: 2^14 cases. */
const MOST_DECISIONS = 14;

/**
 * Probability that each task runs, by enumeration of every outcome of the pipeline's conditions
 * and caches; null when there are too many. A task of a `first` or `atLeast` join may be cancelled
 * by its request's end, so there these are upper bounds.
 */
export function visitRatios(pipeline: PipelineSystem): Float64Array | null {
  const { tasks } = pipeline;
  const decisions = tasks.flatMap((task, id) => [
    ...(task.whenProbability < 1 ? [{ id, kind: "when", probability: task.whenProbability }] : []),
    ...(task.cacheHitRatio > 0 ? [{ id, kind: "hit", probability: task.cacheHitRatio }] : []),
  ]);
  if (decisions.length > MOST_DECISIONS) return null;
  const ratios = new Float64Array(tasks.length);
  for (let outcome = 0; outcome < 2 ** decisions.length; outcome++) {
    let probability = 1;
    const fails = new Set<number>();
    const hits = new Set<number>();
    for (const [bit, decision] of decisions.entries()) {
      const yes = ((outcome >> bit) & 1) === 1;
      probability *= yes ? decision.probability : 1 - decision.probability;
      if (decision.kind === "when" && !yes) fails.add(decision.id);
      if (decision.kind === "hit" && yes) hits.add(decision.id);
    }
    for (const id of tasksThatRun(pipeline, fails, hits)) ratios[id] += probability;
  }
  return ratios;
}

function tasksThatRun(
  { tasks }: PipelineSystem,
  fails: ReadonlySet<number>,
  hits: ReadonlySet<number>,
): ReadonlySet<number> {
  const ran = new Set<number>();
  const seen = new Set<number>();
  const visit = (id: number): boolean => {
    if (seen.has(id)) return ran.has(id);
    seen.add(id);
    const { predecessors, skippedBy } = tasks[id];
    const reached = predecessors.length === 0 || predecessors.filter(visit).length > 0;
    const skipped = skippedBy.some((cache) => visit(cache) && hits.has(cache));
    if (reached && !skipped && !fails.has(id)) ran.add(id);
    return ran.has(id);
  };
  for (let id = 0; id < tasks.length; id++) visit(id);
  return ran;
}
