import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: the replica with the fewest jobs, queued and running; ties go to the longest so loaded.
 * Reads: load of every replica, through an index.
 * Fails when: replicas or jobs differ much in time, since jobs are counted, not weighed.
 * Source: Winston, J. Appl. Prob. 14, 1977 (optimal for exponential times).
 */
export const joinShortestQueue = definePolicy({
  name: "join-shortest-queue",
  summary: "the replica with the fewest jobs",
  parameters: z.strictObject({}),
  create: (): Routing => ({
    kind: "immediate",
    needs: "length",
    route: (pool) => pool.leastLoaded(),
  }),
});
