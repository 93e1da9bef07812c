/** Locality: a request's jobs go where its last one went. */
import { z } from "zod";
import { leastBy } from "../../../engine/basics/iterables.ts";
import type { Controller } from "../../../engine/dispatch/controller.ts";
import { placeablePools } from "../../rules/device-slots.ts";
import { count } from "../../rules/parameters.ts";
import { PlacedPool } from "../../rules/placed-pool.ts";
import { defineController } from "../../rules/policy-definition.ts";

export const locality = defineController({
  name: "locality",
  summary: "a replica on the node of the request's last job, unless it is too busy",
  idea: "Each job goes at once to the least loaded replica on the node that got the last job of its request, if that replica has few more jobs than the least loaded of all; else to the latter.",
  reads: "Loads of all replicas of a pool, and nodes. O(replicas) for each job.",
  failsWhen:
    "Data passes through the gateway, as it does here: locality saves no transfer and unbalances loads.",
  source:
    "Zaharia et al., Delay Scheduling, EuroSys 2010, section 3, with a bound on load in place of a delay.",
  parameters: z.strictObject({
    extraJobs: count(1, "jobs that the near replica may have beyond the least loaded one", 1e6, 0),
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
