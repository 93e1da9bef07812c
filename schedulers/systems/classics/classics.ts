/**
 * The textbook's schedulers beyond the simplest: orders by expected work, fair shares, routing by idleness
 * and speed, balking; and controllers that place each job at once.
 */

import { z } from "zod";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import type { Admission, Ordering, PoolView, Routing } from "../../../engine/dispatch/policies.ts";
import type { System } from "../../../engine/system/system.ts";
import { placeablePools } from "../../rules/device-slots.ts";
import {
  defineController,
  definePolicy,
  namedWeights,
  positive,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { leastBy } from "../../rules/textbook.ts";
import { ExpectedWork } from "../../rules/ways.ts";

/** A pool now, as its routing rule sees it: every question about all replicas is O(replicas). */
class PlacedPool implements PoolView {
  readonly up: readonly number[];
  readonly #view: ClusterView;

  constructor(view: ClusterView, pool: number) {
    const { first, count } = view.system.pools[pool];
    const replicas = Array.from({ length: count }, (_, i) => first + i);
    this.up = replicas.filter((replica) => view.isUp(replica));
    this.#view = view;
  }

  get upCount(): number {
    return this.up.length;
  }

  upAt(i: number): number {
    return this.up[i];
  }

  waiting(replica: number): number {
    return this.#view.queueAt(replica).length;
  }

  load(replica: number): number {
    return this.waiting(replica) + this.#view.running(replica);
  }

  leastLoaded(): number {
    return leastBy(this.up, (replica) => this.load(replica)) as number;
  }

  soonestFree(): number {
    const view = this.#view;
    return leastBy(
      this.up,
      (replica) => view.freeUs(replica) + this.waiting(replica) * view.expectedUs(replica, 1),
    ) as number;
  }
}

/** Jobs that wait beside an idle replica wait for their batch to fill: nobody steals those. */
function steal(pool: PlacedPool, thief: number, view: ClusterView, act: Controls): void {
  const busy = pool.up.filter((replica) => view.running(replica) > 0 && pool.waiting(replica) > 0);
  if (busy.length === 0) return;
  const victim = leastBy(busy, (replica) => -pool.waiting(replica)) as number;
  act.assign(view.queueAt(victim).next.job, thief);
}

const workStealing = defineController({
  name: "work-stealing",
  summary: "an idle replica takes a waiting job of the longest queue",
  idea:
    "The pool's routing rule (replicas in turn, where it is `central`) gives each job to a replica at once. A " +
    "replica that becomes idle with an empty queue takes the next job of the longest queue.",
  reads: "Queues of all replicas of a pool. O(replicas) at each instant with news.",
  failsWhen: "Moving a job costs more than its wait: the model moves it for nothing.",
  source:
    "Blumofe & Leiserson, J. ACM 46(5), 1999; Eager, Lazowska & Zahorjan, Performance Evaluation 6, 1986 (receiver-initiated).",
  create: (_, { system, pools: policies }): Controller => {
    const pools = placeablePools(system);
    /** By pool: the place of the next replica in turn. */
    const turns = new Int32Array(system.pools.length);
    const route = (id: number, pool: PlacedPool, job: JobView): number => {
      const { routing } = policies[id];
      if (routing.kind === "immediate") return routing.route(pool, job);
      return pool.upAt(turns[id]++ % pool.upCount);
    };
    return {
      pools,
      scales: [],
      timers: 0,
      decide(view, act) {
        for (const id of pools) {
          const pool = new PlacedPool(view, id);
          if (pool.upCount === 0) continue;
          for (const job of view.jobsIn(id)) act.assign(job, route(id, pool, view.job(job)));
          for (const thief of pool.up) if (pool.load(thief) === 0) steal(pool, thief, view, act);
        }
      },
    };
  },
});

const locality = defineController({
  name: "locality",
  summary: "a replica on the node of the request's last job, unless it is too busy",
  idea:
    "Each job goes at once to the least loaded replica on the node that got the last job of its request, if that " +
    "replica has few more jobs than the least loaded of all; else to the latter.",
  reads: "Loads of all replicas of a pool, and nodes. O(replicas) for each job.",
  failsWhen:
    "Data passes through the gateway, as it does here: locality saves no transfer and unbalances loads.",
  source:
    "Zaharia et al., Delay Scheduling, EuroSys 2010, section 3, with a bound on load in place of a delay.",
  parameters: z.strictObject({
    extraJobs: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(1)
      .describe("jobs that the near replica may have more than the least loaded one"),
  }),
  create: ({ extraJobs }, { system }): Controller => {
    const pools = placeablePools(system);
    /** By request: the node that got its last job. */
    const nodes = new Map<number, number>();
    const choose = (pool: PlacedPool, node: number | undefined): number => {
      const idlest = pool.leastLoaded();
      const near = pool.up.filter((replica) => system.replicas[replica].node === node);
      const own = leastBy(near, (replica) => pool.load(replica));
      if (own === undefined) return idlest;
      return pool.load(own) <= pool.load(idlest) + extraJobs ? own : idlest;
    };
    return {
      pools,
      scales: [],
      timers: 0,
      ended: (request) => void nodes.delete(request),
      decide(view, act) {
        for (const id of pools) {
          const pool = new PlacedPool(view, id);
          if (pool.upCount === 0) continue;
          for (const job of view.jobsIn(id)) {
            const { request } = view.job(job);
            const replica = choose(pool, nodes.get(request));
            act.assign(job, replica);
            nodes.set(request, system.replicas[replica].node);
          }
        }
      },
    };
  },
});

function keyed(system: System, keyOf: (work: ExpectedWork, job: JobView) => number): Ordering {
  const work = new ExpectedWork(system);
  return { kind: "keyed", key: (job) => keyOf(work, job) };
}

const shortestExpected = definePolicy({
  name: "shortest-expected",
  summary: "shortest expected service first",
  idea: "The job with the shortest expected service first; a running one is not interrupted.",
  reads:
    "Mean service times, and the sizes of inputs where times depend on them and sizes are known.",
  failsWhen:
    "Load is high: long jobs starve. All jobs of a task are alike without known sizes: first in, first out then.",
  source:
    "Phipps, Operations Research 4(1), 1956; mean wait by Cobham, Operations Research 2(1), 1954.",
  create: (_, { system, pool }) =>
    keyed(system, (work, { inputSize }) => work.timeUs(pool, inputSize)),
});

const leastRemaining = definePolicy({
  name: "least-remaining",
  summary: "least expected remaining work first",
  idea:
    "The request with the least expected work ahead first: the job and all that follows it, each " +
    "task by its probability. A running job is not interrupted.",
  reads:
    "Mean service times, probabilities of branches and caches, and the sizes of inputs where known.",
  failsWhen:
    "Long pipelines starve beside short ones. Branches that run beside the job are not counted.",
  source:
    "Schrage, Operations Research 16(3), 1968 (SRPT), with expected times and between tasks only.",
  create: (_, { system }) => keyed(system, (work, job) => work.remainingUs(job)),
});

const leastSlack = definePolicy({
  name: "least-slack",
  summary: "least slack first: the deadline less the work that remains",
  idea:
    "The request whose deadline leaves the least room first: deadline − now − expected remaining " +
    "work. `now` is the same for all, so that a job's place does not change while it waits.",
  reads: "Deadlines, and what `least-remaining` reads.",
  failsWhen:
    "The pool is overloaded: it serves requests that are about to be late anyway. Work of parallel branches is added up.",
  source: "Mok, PhD thesis, MIT, 1983 (least laxity), without preemption.",
  create: (_, { system }) => keyed(system, (work, job) => job.deadlineUs - work.remainingUs(job)),
});

const weightedFair = definePolicy({
  name: "weighted-fair",
  summary: "pipelines share the pool's time by weight",
  idea:
    "Each pipeline gets its weight's share of the pool's time while it has jobs waiting. A job's " +
    "virtual finish is its pipeline's last, or the virtual time if that is later, plus its expected " +
    "service over the weight; the earliest goes first. The virtual time is the finish of the job " +
    "that was taken last. A job that leaves unserved gives its part back.",
  reads: "Weights, the pipelines of jobs, and mean service times.",
  failsWhen:
    "Times vary much from their means: shares are by expected time. Clients give up: jobs behind one " +
    "that left keep their places, and shares are off by some percent.",
  source:
    "Demers, Keshav & Shenker, SIGCOMM 1989; the virtual time of self-clocked fair queueing: " +
    "Golestani, INFOCOM 1994, section 3.",
  parameters: z.strictObject({
    weights: z
      .record(z.string(), positive())
      .default({})
      .describe("weight by pipeline; 1 for a pipeline that is not named")
      .meta({ examples: [{ urgent: 3 }] }),
  }),
  pipelinesIn: ({ weights }) => namedWeights(weights),
  create: ({ weights }, { system, pool }): Ordering => {
    const names = system.pipelines.map(({ name }) => name);
    const work = new ExpectedWork(system);
    const shareOf = ({ pipeline, inputSize }: JobView): number =>
      work.timeUs(pool, inputSize) / (weights[names[pipeline]] ?? 1);
    /** By pipeline: the virtual finish of its last job. */
    const last = new Float64Array(names.length);
    let virtual = 0;
    return {
      kind: "keyed",
      key: (job) => {
        const { pipeline } = job;
        last[pipeline] = Math.max(virtual, last[pipeline]) + shareOf(job);
        return last[pipeline];
      },
      left: (job) => {
        last[job.pipeline] -= shareOf(job);
      },
      taken: (finish) => {
        virtual = Math.max(virtual, finish);
      },
    };
  },
});

const joinIdleQueue = definePolicy({
  name: "join-idle-queue",
  summary: "an idle replica, else one at random",
  idea: "The replica that has been idle longest; a replica at random where none is idle.",
  reads: "Which replicas are idle.",
  failsWhen: "Load is so high that replicas are seldom idle: it is `random` then.",
  source: "Lu et al., Join-Idle-Queue, Performance Evaluation 68(11), 2011, with one dispatcher.",
  create: (_, context): Routing => {
    const rng = context.rng();
    return {
      kind: "immediate",
      needs: "length",
      route: (pool) => {
        const least = pool.leastLoaded();
        return pool.load(least) === 0 ? least : pool.upAt(rng.integer(pool.upCount));
      },
    };
  },
});

const weightedRoundRobin = definePolicy({
  name: "weighted-round-robin",
  summary: "replicas in turn, the faster ones more often",
  idea:
    "Replicas in turn, each as often as its speed asks for, and spread evenly: each gains its speed " +
    "at every job, and the one with the most credit takes the job and pays the sum.",
  reads: "Mean service times of the replicas that are up. O(replicas) for each job.",
  failsWhen: "Service times vary: a job queues behind a long one while other replicas idle.",
  source: "Smooth weighted round robin of nginx 1.3.1 (ngx_http_upstream_round_robin), 2012.",
  create: (_, { system }): Routing => {
    const speeds = system.replicas.map(({ service }) => 1 / Math.max(service.meanUs[1], 1e-3));
    const credits = new Float64Array(speeds.length);
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => {
        let best = pool.upAt(0);
        let sum = 0;
        for (let i = 0; i < pool.upCount; i++) {
          const replica = pool.upAt(i);
          sum += speeds[replica];
          credits[replica] += speeds[replica];
          if (credits[replica] > credits[best]) best = replica;
        }
        credits[best] -= sum;
        return best;
      },
    };
  },
});

const balking = definePolicy({
  name: "balking",
  summary: "the more requests are in the system, the more clients turn away",
  idea:
    "A client that finds n requests in the system stays with probability k / (k + n), else it is refused. Clients " +
    "that leave later (reneging) are the workload's: `client.timeoutMs`.",
  reads: "Requests in the system, and chance.",
  failsWhen:
    "It models clients rather than serves them: no scheduler would turn requests away at random.",
  source: "Discouraged arrivals: Kleinrock, Queueing Systems I, 1975, section 3.3 (k = 1).",
  parameters: z.strictObject({
    patience: positive()
      .default(10)
      .describe("k: requests in the system with which half of the clients turn away"),
  }),
  create: ({ patience }, context): Admission => {
    const rng = context.rng();
    return {
      dropsLate: false,
      admit: (inSystem) => rng.uniform() * (patience + inSystem) < patience,
    };
  },
});

export const classics: SystemPack = {
  policies: {
    admission: [balking],
    routing: [joinIdleQueue, weightedRoundRobin],
    ordering: [shortestExpected, leastRemaining, leastSlack, weightedFair],
    controller: [workStealing, locality],
  },
  presets: {
    sjf: preset("one central queue, shortest expected service first", {
      ordering: "shortest-expected",
    }),
    srpt: preset("one central queue, least expected remaining work first", {
      ordering: "least-remaining",
    }),
    "least-slack": preset("one central queue, least slack first", { ordering: "least-slack" }),
    "join-idle-queue": preset("an idle replica, else one at random", {
      routing: "join-idle-queue",
    }),
    "weighted-round-robin": preset("replicas in turn, the faster ones more often", {
      routing: "weighted-round-robin",
    }),
    "weighted-fair": preset("one central queue, pipelines share it by weight", {
      ordering: "weighted-fair",
    }),
    "work-stealing": preset("replicas in turn; an idle one takes from the longest queue", {
      routing: "round-robin",
      controller: "work-stealing",
    }),
    locality: preset("a replica on the node of the request's last job", { controller: "locality" }),
  },
};
