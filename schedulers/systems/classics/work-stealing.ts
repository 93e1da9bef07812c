/** Work stealing: jobs are placed at once, and idle replicas take them from others. */
import { leastBy } from "../../../engine/basics/iterables.ts";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import { placeablePools } from "../../rules/device-slots.ts";
import { PlacedPool } from "../../rules/placed-pool.ts";
import { defineController } from "../../rules/policy-definition.ts";

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
  idea: "The pool's routing rule (replicas in turn, where it is `central`) gives each job to a replica at once. A replica that becomes idle with an empty queue takes the next job of the longest queue.",
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
