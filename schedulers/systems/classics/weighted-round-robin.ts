/** Round robin by the speeds of replicas. */
import type { Routing } from "../../../engine/dispatch/policies.ts";
import { definePolicy } from "../../rules/policy-definition.ts";

export const weightedRoundRobin = definePolicy({
  name: "weighted-round-robin",
  summary: "replicas in turn, the faster ones more often",
  idea: "Replicas in turn, each as often as its speed asks for, and spread evenly: each gains its speed at every job, and the one with the most credit takes the job and pays the sum.",
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
