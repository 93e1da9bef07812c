import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const powerOfTwo = definePolicy({
  name: "power-of-two",
  summary: "the less loaded of two distinct replicas at random",
  idea: "Look at a few replicas at random (two by default) and take the least loaded of them.",
  reads: "The number of jobs at the replicas looked at.",
  failsWhen: "Replicas are few and exact knowledge is cheap: join-shortest-queue is better then.",
  source:
    "Mitzenmacher, IEEE TPDS 12(10), 2001, with replacement, as in gRPC's least-request balancer " +
    "(gRFC A48, grpc-java); distinct as in Ray Serve's router.",
  parameters: z.strictObject({
    choices: z.int().min(2).max(64).default(2).describe("replicas looked at for each job"),
    distinct: z
      .boolean()
      .default(true)
      .describe("no replica is looked at twice; false: drawn with replacement, as in theory"),
  }),
  create: ({ choices, distinct }, context): Routing => {
    const rng = context.rng();
    const looked = new Int32Array(choices);
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => {
        const up = pool.upCount;
        const count = distinct ? Math.min(choices, up) : choices;
        let best = -1;
        for (let i = 0; i < count; i++) {
          const place = distinct ? another(rng.integer(up - i), looked, i) : rng.integer(up);
          const replica = pool.upAt(place);
          if (best < 0 || pool.load(replica) < pool.load(best)) best = replica;
        }
        return best;
      },
    };
  },
});

/**
 * The place of rank `rank` among those that are not in `taken`, whose first `count` entries ascend;
 * it is added to them. Ranks drawn uniformly give every order of places the same chance, so that
 * replicas of equal load do too.
 */
function another(rank: number, taken: Int32Array, count: number): number {
  let place = rank;
  let at = 0;
  for (; at < count && taken[at] <= place; at++) place++;
  for (let i = count; i > at; i--) taken[i] = taken[i - 1];
  taken[at] = place;
  return place;
}
