/** Which variant of its task serves a job. */
import type { Selection } from "../../core/dispatch/policies.ts";
import type { System } from "../../core/system.ts";
import { definePolicy, type SelectionContext } from "./policy-definition.ts";

/** The first of those with the least cost; undefined of none. */
export function leastBy<T>(all: readonly T[], costOf: (one: T) => number): T | undefined {
  let best = all[0];
  let cost = Number.POSITIVE_INFINITY;
  for (const one of all) {
    const own = costOf(one);
    if (own >= cost) continue;
    best = one;
    cost = own;
  }
  return best;
}

/** The most accurate of some pools, the first among equals; undefined of none. */
export function mostAccurateOf({ pools }: System, among: readonly number[]): number | undefined {
  return leastBy(among, (pool) => -(pools[pool].accuracy ?? 0));
}

export const mostAccurate = definePolicy({
  name: "most-accurate",
  summary: "the most accurate variant with capacity, else the first",
  idea: "The most accurate variant that has room: jobs that wait there, with this one, fit the next batches of its idle replicas. Where none has room, the first in the scenario that has a replica.",
  reads: "Accuracies, idle replicas and queue lengths of the task's variants.",
  failsWhen: "Batches gain much: it fills the accurate variant with small ones.",
  source: "None needed.",
  create: (_, { system, pools }: SelectionContext): Selection => ({
    choose: (_job, among, view) => {
      const hasRoom = (pool: number): boolean => {
        const { busy, waiting } = view.loadOf(pool);
        const batch = Math.min(pools[pool].batching.maxBatch, system.pools[pool].maxBatch);
        return waiting < (view.readyOf(pool) - busy) * batch;
      };
      const chosen = mostAccurateOf(system, among.filter(hasRoom));
      return chosen ?? among.find((pool) => view.readyOf(pool) > 0) ?? among[0];
    },
  }),
});
