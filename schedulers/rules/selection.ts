/** Which variant of its task serves a job. */
import { z } from "zod";
import type { Selection } from "../../core/dispatch/policies.ts";
import { definePolicy, type SelectionContext } from "./policy-definition.ts";

export const mostAccurate = definePolicy({
  name: "most-accurate",
  summary: "the most accurate variant with capacity, else the first",
  idea: "The most accurate variant that has room: jobs that wait there, with this one, fit the next batches of its idle replicas. Where none has room, the first in the scenario that has a replica.",
  reads: "Accuracies, idle replicas and queue lengths of the task's variants.",
  failsWhen: "Batches gain much: it fills the accurate variant with small ones.",
  source: "None needed.",
  parameters: z.strictObject({}),
  create: (_, { system, pools }: SelectionContext): Selection => {
    const accuracyOf = (pool: number): number => system.pools[pool].accuracy ?? 0;
    return {
      choose: (_job, among, view) => {
        let best = -1;
        for (const pool of among) {
          const { busy, waiting } = view.loadOf(pool);
          const { maxBatch } = pools[pool].batching;
          const room =
            (view.readyOf(pool) - busy) * Math.min(maxBatch, system.pools[pool].maxBatch);
          if (waiting >= room) continue;
          if (best < 0 || accuracyOf(pool) > accuracyOf(best)) best = pool;
        }
        if (best >= 0) return best;
        return among.find((pool) => view.readyOf(pool) > 0) ?? among[0];
      },
    };
  },
});
