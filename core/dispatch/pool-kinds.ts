/** How each pool of a system decides under a scheduler. */
import { listOf } from "../hot-path.ts";
import type { System } from "../system.ts";
import type { QueueOrder } from "./job-queues.ts";
import type { PoolPolicies, Scheduler } from "./policies.ts";
import { Pool } from "./pool.ts";

/** In order: all up to `centralGroup` share a queue. */
export const POOL_KIND = {
  /** Replicas share a queue, and every job starts alone. */
  centralSingle: 0,
  /** Some replicas batch in a way of their own. */
  centralOwn: 1,
  /** Groups start together. */
  centralGroup: 2,
  /** Jobs are routed at once; each replica has a queue. */
  immediate: 3,
  /** Jobs follow the chain that their request holds. */
  held: 4,
} as const;

/** A held chain serves one request at a time, so its pools route by chain and never batch. */
const HELD_POLICIES: PoolPolicies = {
  routing: { kind: "immediate", needs: "nothing", route: () => -1 },
  ordering: { kind: "fifo" },
  batching: { kind: "single", maxBatch: 1 },
};

/** Whether requests of some pipeline hold chains of the pool's replicas. */
export function isHeld({ pipelines }: System, pool: number): boolean {
  return pipelines.some(({ held, tasks }) => held && tasks.some((task) => task.pool === pool));
}

/** The system's pools, in its order, none of whose replicas is up. */
export function createPools(system: System, scheduler: Scheduler): Pool[] {
  const { pools, replicas } = system;
  return listOf(pools, (pool, id) => {
    const members = replicas.slice(pool.first, pool.first + pool.count);
    const expected = Float64Array.from(members, (replica) => replica.service.meanUs[1]);
    const policies = isHeld(system, id) ? HELD_POLICIES : scheduler.pools[id];
    return new Pool(id, pool, policies, expected);
  });
}

/** Of a pool that is not held. */
export function kindOf({ central, batching, own }: Pool): number {
  if (!central) return POOL_KIND.immediate;
  if (own !== null) return POOL_KIND.centralOwn;
  return batching === null ? POOL_KIND.centralSingle : POOL_KIND.centralGroup;
}

/**
 * Orders of all queues, by number: those of the pools (the shared one, or the inbox of routing),
 * then those of the replicas, then those of the pipelines' gates.
 */
export function queueOrders({ replicas, pipelines }: System, pools: readonly Pool[]): QueueOrder[] {
  return [
    ...pools.map(({ central, policies }) => (central ? policies.ordering.kind : "fifo")),
    ...replicas.map(({ pool }) => pools[pool].policies.ordering.kind),
    ...pipelines.map(() => "fifo" as const),
  ];
}
