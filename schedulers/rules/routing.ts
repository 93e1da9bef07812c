/** Which replica takes a job. */
import { z } from "zod";
import type { Routing } from "../../engine/dispatch/policies.ts";
import { flag, positiveInt } from "./parameters.ts";
import { definePolicy } from "./policy-definition.ts";

const central = definePolicy({
  name: "central",
  summary: "one queue; idle replicas take from it",
  idea: "One queue for all replicas; an idle replica takes the next batch.",
  reads: "Which replicas are idle.",
  failsWhen: "Replicas differ much in speed: an idle slow one is taken before a fast one is free.",
  source: "M/M/c: Kleinrock, Queueing Systems I, 1975, section 3.5.",
  parameters: z.strictObject({
    idle: z
      .enum(["longest-idle", "most-recent"])
      .default("longest-idle")
      .describe("which of several idle replicas takes the next batch"),
  }),
  create: ({ idle }): Routing => ({ kind: "central", idle }),
});

const roundRobin = definePolicy({
  name: "round-robin",
  summary: "replicas in turn, whatever their load",
  idea: "Replicas in turn.",
  reads: "Which replicas are up.",
  failsWhen: "Service times vary: a job queues behind a long one while other replicas idle.",
  source: "The default of most load balancers.",
  create: (): Routing => {
    let turn = -1;
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => {
        turn = turn + 1 >= pool.upCount ? 0 : turn + 1;
        return pool.upAt(turn);
      },
    };
  },
});

const random = definePolicy({
  name: "random",
  summary: "a replica at random",
  idea: "Any replica, with equal chance.",
  reads: "Which replicas are up.",
  failsWhen:
    "Load is high: jobs queue at one replica while others idle. It is the baseline that others must beat.",
  source: "Mitzenmacher, IEEE TPDS 12(10), 2001, section 1.",
  create: (_, context): Routing => {
    const rng = context.rng();
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => pool.upAt(rng.integer(pool.upCount)),
    };
  },
});

/** Rules without state are made once, so that every run of a sweep calls the same function. */
const SHORTEST_QUEUE: Routing = {
  kind: "immediate",
  needs: "length",
  route: (pool) => pool.leastLoaded(),
};

const LEAST_WORK: Routing = {
  kind: "immediate",
  needs: "work",
  route: (pool) => pool.soonestFree(),
};

const joinShortestQueue = definePolicy({
  name: "join-shortest-queue",
  summary: "the replica with the fewest jobs",
  idea: "The replica with the fewest jobs, queued and running; among equals the one that has had so few for longest.",
  reads: "The number of jobs at each replica, through an index.",
  failsWhen: "Replicas or jobs differ much in time: jobs are counted, not weighed.",
  source: "Winston, J. Appl. Prob. 14, 1977 (optimal for exponential times).",
  create: () => SHORTEST_QUEUE,
});

const powerOfTwo = definePolicy({
  name: "power-of-two",
  summary: "the less loaded of two distinct replicas at random",
  idea: "Look at a few replicas at random (two by default) and take the least loaded of them. With a cap, a replica that has so many jobs takes no more: where all that were looked at are full, any other with room is taken, and where none has room, jobs wait in the pool's queue.",
  reads: "The number of jobs at the replicas looked at.",
  failsWhen: "Replicas are few and exact knowledge is cheap: join-shortest-queue is better then.",
  source:
    "Mitzenmacher, IEEE TPDS 12(10), 2001, with replacement, as in gRPC's least-request balancer (gRFC A48, grpc-java); distinct, and with a cap, as in Ray Serve's router (max_ongoing_requests).",
  parameters: z.strictObject({
    choices: z.int().min(2).max(64).default(2).describe("replicas looked at for each job"),
    distinct: flag("no replica is looked at twice; false: drawn with replacement, as in theory"),
    cap: positiveInt(1e6)
      .optional()
      .describe("most jobs of a replica, queued there and running; default: any number"),
  }),
  create: ({ choices, distinct, cap }, context): Routing => {
    const rng = context.rng();
    const looked = new Int32Array(choices);
    return {
      kind: "immediate",
      needs: "nothing",
      holds: cap !== undefined,
      route: (pool) => {
        const up = pool.upCount;
        const count = distinct ? Math.min(choices, up) : choices;
        let best = -1;
        for (let i = 0; i < count; i++) {
          const place = distinct ? another(rng.integer(up - i), looked, i) : rng.integer(up);
          const replica = pool.upAt(place);
          if (best < 0 || pool.load(replica) < pool.load(best)) best = replica;
        }
        if (cap === undefined || pool.load(best) < cap) return best;
        const start = rng.integer(up);
        for (let i = 0; i < up; i++) {
          const replica = pool.upAt((start + i) % up);
          if (pool.load(replica) < cap) return replica;
        }
        return -1;
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

const leastExpectedWork = definePolicy({
  name: "least-expected-work",
  summary: "the replica expected to be free first",
  idea: "The replica expected to be free first, by the mean time of each job that it already has.",
  reads: "Expected service times by replica, through an index.",
  failsWhen: "Times vary so much that their mean says little, or profiles are wrong.",
  source:
    "Least work left: Harchol-Balter, Performance Modeling and Design of Computer Systems, 2013, chapter 24.",
  create: () => LEAST_WORK,
});

/** The simplest first. */
export const ROUTING_RULES = {
  routing: [central, roundRobin, random, joinShortestQueue, powerOfTwo, leastExpectedWork],
};
