import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const joinShortestQueue = definePolicy({
  name: "join-shortest-queue",
  summary: "the replica with the fewest jobs",
  idea: "The replica with the fewest jobs, queued and running; among equals the one that has had so few for longest.",
  reads: "The number of jobs at each replica, through an index.",
  failsWhen: "Replicas or jobs differ much in time: jobs are counted, not weighed.",
  source: "Winston, J. Appl. Prob. 14, 1977 (optimal for exponential times).",
  parameters: z.strictObject({}),
  create: (): Routing => ({
    kind: "immediate",
    needs: "length",
    route: (pool) => pool.leastLoaded(),
  }),
});
