/**
 * What devices and nodes that replicas share are asked to do against what they can do at most:
 *
 *   load = Σ pools wholly there (jobs per µs × least time of one alone) / speed
 *
 * The speed of a slot by time slices is 1; where n at once slow down by s(n), it is the largest n / s(n). Of
 * slots that have a pool in common the load is over them all; a loader's is its per-call loads.
 * Each is a bound from below: pools that are elsewhere too may keep clear of a busy slot.
 */
import { slowdownOf } from "../slowdown.ts";
import type { DeviceSystem, System } from "../system.ts";
import type { OfferedLoad } from "./offered-load.ts";

interface Shared {
  readonly name: string;
  readonly speed: number;
  readonly replicas: ReadonlySet<number>;
}

/** `jobsPerUs` and the largest batches are by pool. */
export function deviceLoads(
  system: System,
  jobsPerUs: Float64Array,
  batches: readonly number[],
): OfferedLoad[] {
  const { devices, nodes } = system;
  const slots = devices.map((device, slot) => {
    const replicas = replicasOf(system, (replica) => replica.slot === slot);
    return { name: device.name, speed: speedOf(device, replicas.size), replicas };
  });
  const shared = slots.filter((_, slot) => devices[slot].sharing !== null);
  const hosts = nodes.flatMap(({ name, contention }, node) => {
    if (contention === null) return [];
    const replicas = replicasOf(system, (replica) => replica.node === node);
    return [{ name: `node ${name}`, speed: bestSpeed(contention, replicas.size), replicas }];
  });
  const serving = [...shared, ...joined(system, shared), ...hosts].map((station) => ({
    ratio: work(system, station, jobsPerUs, (pool) => leastUs(system, pool, batches[pool])),
    station: station.name,
  }));
  const loading = slots.map(({ name, replicas }) => ({
    ratio: work(system, { name, speed: 1, replicas }, jobsPerUs, (pool) => {
      const model = system.models.find((each) => each.name === system.pools[pool].model);
      return model?.residency === "per-call" ? model.loadUs / batches[pool] : 0;
    }),
    station: `loads of ${name}`,
  }));
  return [...serving, ...loading];
}

function replicasOf(
  { replicas }: System,
  belongs: (replica: System["replicas"][number]) => boolean,
): ReadonlySet<number> {
  return new Set(replicas.flatMap((replica, id) => (belongs(replica) ? [id] : [])));
}

function speedOf({ sharing }: DeviceSystem, replicas: number): number {
  return sharing?.kind === "processor-sharing" ? bestSpeed(sharing.slowdown, replicas) : 1;
}

/** The most work that up to so many at once get done in a µs. */
function bestSpeed(slowdown: readonly number[], replicas: number): number {
  let best = 0;
  for (let n = 1; n <= replicas; n++) best = Math.max(best, n / slowdownOf(slowdown, n));
  return best;
}

/** Shared slots that pools have in common, each group as one. */
function joined(system: System, slots: readonly Shared[]): Shared[] {
  let groups: Shared[] = [...slots];
  for (const { first, count } of system.pools) {
    const touches = (group: Shared): boolean =>
      Array.from({ length: count }, (_, i) => first + i).some((id) => group.replicas.has(id));
    const met = groups.filter(touches);
    if (met.length < 2) continue;
    const one = {
      name: met.map(({ name }) => name).join(", "),
      speed: met.reduce((sum, { speed }) => sum + speed, 0),
      replicas: new Set(met.flatMap(({ replicas }) => [...replicas])),
    };
    groups = [...groups.filter((group) => !met.includes(group)), one];
  }
  return groups;
}

function work(
  { pools }: System,
  { speed, replicas }: Shared,
  jobsPerUs: Float64Array,
  timeUs: (pool: number) => number,
): number {
  return pools.reduce((sum, { first, count }, pool) => {
    const wholly = Array.from({ length: count }, (_, i) => first + i).every((id) =>
      replicas.has(id),
    );
    return wholly && count > 0 ? sum + (jobsPerUs[pool] * timeUs(pool)) / speed : sum;
  }, 0);
}

/** Time of a job alone on the quickest of its replicas, in the best batch. */
function leastUs({ pools, replicas }: System, pool: number, maxBatch: number): number {
  const { first, count } = pools[pool];
  let least = Number.POSITIVE_INFINITY;
  for (const { service } of replicas.slice(first, first + count)) {
    for (let batch = 1; batch <= maxBatch; batch++) {
      least = Math.min(least, service.meanUs[batch] / batch);
    }
  }
  return least;
}
