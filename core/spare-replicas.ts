/**
 * Room for replicas that are added while a system runs: each pool gets some more that are down
 * until then, alike the last of its own. Pools of held chains get none: their chains are fixed.
 */
import type { System } from "./system.ts";

export function withSpareReplicas(system: System, perPool: number): System {
  if (perPool === 0) return system;
  const held = new Set(
    system.pipelines.filter((p) => p.held).flatMap(({ tasks }) => tasks.map(({ pool }) => pool)),
  );
  const replicas: System["replicas"][number][] = [];
  const pools = system.pools.map((pool, id) => {
    const first = replicas.length;
    const own = system.replicas.slice(pool.first, pool.first + pool.count);
    replicas.push(...own);
    const last = own.at(-1);
    const spares = last === undefined || held.has(id) ? 0 : perPool;
    for (let i = 0; last !== undefined && i < spares; i++) {
      replicas.push({ ...last, name: `${pool.name}-${pool.count + i + 1}` });
    }
    return { ...pool, first, count: pool.count + spares };
  });
  return { ...system, pools, replicas };
}

/** The numbers, in the larger system, of those replicas that are no spares. */
export function ownReplicas(system: System, larger: System): readonly number[] {
  const names = new Map(larger.replicas.map(({ name }, replica) => [name, replica]));
  return system.replicas.map(({ name }) => names.get(name) as number);
}
