/**
 * What devices, nodes and links that replicas share are asked to do, against the most they can do:
 *
 *   load = Σ pools wholly there (jobs per µs × least time of one alone) / speed
 *
 * The speed of a slot by time slices is 1; where n at once slow down by s(n), it is the largest
 * n / s(n). Of slots that have a pool in common the load is over them all; a loader's is its
 * per-call loads. Each is a bound from below: pools that are elsewhere too may avoid a busy slot.
 */
import { slowdownOf } from "../slowdown.ts";
import type { Sharing, System } from "../system.ts";
import type { OfferedLoad } from "./offered-load.ts";

interface Shared {
  readonly name: string;
  readonly speed: number;
  readonly replicas: ReadonlySet<number>;
}

/** `jobsPerUs` and the largest batches are by pool. */
export function sharedLoads(
  system: System,
  jobsPerUs: Float64Array,
  batches: readonly number[],
): OfferedLoad[] {
  const { devices, nodes, replicas } = system;
  const onSlot = grouped(replicas.map(({ slot }) => slot));
  const shared = devices.flatMap(({ name, sharing }, slot) => {
    const here = onSlot.get(slot) ?? new Set();
    return sharing === null ? [] : [{ name, speed: speedOf(sharing, here.size), replicas: here }];
  });
  const onNode = grouped(replicas.map(({ node }) => node));
  const hosts = nodes.flatMap(({ name, contention }, node) => {
    const here = onNode.get(node) ?? new Set();
    if (contention === null) return [];
    return [{ name: `node ${name}`, speed: bestSpeed(contention, here.size), replicas: here }];
  });
  const serving = [...shared, ...joined(system, shared), ...hosts].map((station) => ({
    ratio: work(system, station, jobsPerUs, (pool) => leastUs(system, pool, batches[pool])),
    station: station.name,
  }));
  return [
    ...serving,
    ...loaders(system, onSlot, jobsPerUs, batches),
    ...links(system, onNode, jobsPerUs),
  ];
}

/** Each direction of a link that transfers share; bytes of edges depend on what ran. */
function links(
  system: System,
  onNode: ReadonlyMap<number, ReadonlySet<number>>,
  jobsPerUs: Float64Array,
): OfferedLoad[] {
  if (!system.overheads.sharedLinks) return [];
  const tasks = system.pools.map((_, id) =>
    system.pipelines.flatMap((pipeline) => pipeline.tasks).find(({ pool }) => pool === id),
  );
  return [...onNode].flatMap(([node, replicas]) => {
    const { name, usPerByte } = system.nodes[node];
    const directions = [
      ["payloadBytes", "out"],
      ["outputBytes", "back"],
    ] as const;
    return directions.map(([bytes, way]) => {
      const station = `the link of ${name} ${way}`;
      const each = (pool: number): number => usPerByte * (tasks[pool]?.[bytes] ?? 0);
      return {
        ratio: work(system, { name: station, speed: 1, replicas }, jobsPerUs, each),
        station,
      };
    });
  });
}

/** Slots load one model at a time; of loads on demand nobody knows how many there will be. */
function loaders(
  system: System,
  onSlot: ReadonlyMap<number, ReadonlySet<number>>,
  jobsPerUs: Float64Array,
  batches: readonly number[],
): OfferedLoad[] {
  const loadUs = system.pools.map(({ model }) => {
    const found = system.models.find(({ name }) => name === model);
    return found?.residency === "per-call" ? found.loadUs : 0;
  });
  if (loadUs.every((us) => us === 0)) return [];
  return [...onSlot].map(([slot, replicas]) => {
    const station = `loads of ${system.devices[slot].name}`;
    const each = (pool: number): number => loadUs[pool] / batches[pool];
    return { ratio: work(system, { name: station, speed: 1, replicas }, jobsPerUs, each), station };
  });
}

/** The replicas of each key. */
function grouped(keys: readonly number[]): Map<number, Set<number>> {
  const groups = new Map<number, Set<number>>();
  keys.forEach((key, replica) => {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, new Set([replica]));
    else group.add(replica);
  });
  return groups;
}

function speedOf(sharing: Sharing, replicas: number): number {
  return sharing.kind === "processor-sharing" ? bestSpeed(sharing.slowdown, replicas) : 1;
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
