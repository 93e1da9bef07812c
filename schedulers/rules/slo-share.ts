/** Divides a pipeline's latency goal among its tasks, by their expected times. */
import type { System } from "../../core/system.ts";

/**
 * The part of the latency goal that each pool's task may take, µs: the goal times the task's expected
 * time over that of the longest path through the task, one job at a time. The least over the
 * pipelines that share the pool; Infinity without a goal.
 */
export function sloSharesUs(system: System): readonly number[] {
  const singleUs = system.pools.map(({ first, count }) =>
    Math.max(
      ...Array.from({ length: count }, (_, i) => system.replicas[first + i].service.meanUs[1]),
    ),
  );
  const shares = system.pools.map(() => Number.POSITIVE_INFINITY);
  for (const { sloUs, tasks } of system.pipelines) {
    const before = new Map<number, number>();
    const after = new Map<number, number>();
    const longest = (
      task: number,
      next: (task: number) => readonly number[],
      known: Map<number, number>,
    ): number => {
      const found = known.get(task);
      if (found !== undefined) return found;
      const rest = next(task).map((other) => longest(other, next, known));
      const us = singleUs[tasks[task].pool] + Math.max(0, ...rest);
      known.set(task, us);
      return us;
    };
    tasks.forEach(({ pool }, task) => {
      const upTo = longest(task, (each) => tasks[each].predecessors, before);
      const from = longest(task, (each) => tasks[each].successors, after);
      const own = singleUs[pool];
      shares[pool] = Math.min(shares[pool], (sloUs * own) / (upTo + from - own));
    });
  }
  return shares;
}
