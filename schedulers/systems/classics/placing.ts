/** Controllers that place each job at once: one repairs a rule's choice later, one keeps to a node. */
import { z } from "zod";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../core/dispatch/controller.ts";
import type { PoolView } from "../../../core/dispatch/policies.ts";
import { defineController } from "../../rules/policy-definition.ts";
import { leastBy } from "../../rules/selection.ts";
import { placeablePools } from "../devices/device-slots.ts";

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

export const workStealing = defineController({
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
      ...{ pools, scales: [], timers: 0 },
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

export const locality = defineController({
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
      ...{ pools, scales: [], timers: 0 },
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
