/**
 * The traffic equations: the load of each station over the most that it can do, with batches as large as
 * policy and model allow, as in a long queue. A task with variants spreads its jobs by their capacities, so
 * that all of them are full at once. docs/statistics.md has the equations and their source.
 */

import type { Scheduler } from "../dispatch/policies.ts";
import { slowdownOf } from "../service/slow-down.ts";
import { speedShare } from "../system/faults.ts";
import {
  membersOf,
  type PipelineSystem,
  type ReplicaSystem,
  type System,
  type TaskSystem,
} from "../system/system.ts";

export interface OfferedLoad {
  /** Load of the busiest station; at 1 and more it cannot keep up. */
  readonly ratio: number;
  readonly station: string;
}

/** Null where the equations do not apply: too many branches, early joins, held chains that fork. */
export function offeredLoad(
  system: System,
  scheduler: Scheduler,
  ratePerS: number,
): OfferedLoad | null {
  const ratios = system.pipelines.map(visitRatios);
  if (ratios.some((found) => found === null) || !system.pipelines.every(isPlain)) return null;
  // The time of a sequence depends on what runs beside it.
  if (system.devices.some(({ sharing }) => sharing?.kind === "iterations")) return null;
  const batches = system.pools.map((pool, id) =>
    Math.min(pool.maxBatch, scheduler.pools[id].batching.maxBatch),
  );
  const capacities = system.pools.map((_, id) => capacityOf(system, scheduler, id, batches[id]));
  const jobsPerUs = new Float64Array(system.pools.length);
  for (const [p, pipeline] of system.pipelines.entries()) {
    const perUs = (ratePerS * pipeline.share) / 1e6;
    for (const [t, task] of pipeline.tasks.entries()) {
      const jobs = perUs * (ratios[p] as Float64Array)[t];
      const { variants } = task;
      if (variants.length === 1) jobsPerUs[task.pool] += jobs;
      else {
        const total = variants.reduce((sum, pool) => sum + capacities[pool], 0);
        for (const pool of variants) jobsPerUs[pool] += jobs * (capacities[pool] / total);
      }
    }
  }
  const stations = [
    gatewayLoad(system, jobsPerUs, batches, ratePerS),
    ...sharedLoads(system, jobsPerUs, batches),
  ];
  for (const [id, pool] of system.pools.entries()) {
    const ratio = jobsPerUs[id] === 0 ? 0 : jobsPerUs[id] / capacities[id];
    stations.push({ ratio, station: pool.name });
  }
  for (const [p, pipeline] of system.pipelines.entries()) {
    if (pipeline.held) stations.push(chainLoad(system, p, ratios[p] as Float64Array, ratePerS));
  }
  return stations.reduce((most, station) => (station.ratio > most.ratio ? station : most));
}

/** The most jobs that a pool can do. */
function capacityOf(system: System, scheduler: Scheduler, id: number, maxBatch: number): number {
  const { first, count } = system.pools[id];
  const most = Math.min(count, scheduler.pools[id].scaling?.max ?? count);
  let capacity = 0;
  for (let replica = first; replica < first + most; replica++) {
    const jobs = jobsPerUsOf(system, system.replicas[replica], maxBatch);
    capacity += jobs * speedShare(system.faults, replica);
  }
  return capacity;
}

/** A request's end may cancel work of early joins; a held chain's time is a sum only in a row. */
function isPlain({ tasks, held }: PipelineSystem): boolean {
  const waitsForAll = tasks.every(
    ({ needed, predecessors }) => needed === Number.POSITIVE_INFINITY || predecessors.length < 2,
  );
  const inARow = tasks.every((task) => task.predecessors.length < 2 && task.successors.length < 2);
  return waitsForAll && (!held || inARow);
}

/** The most jobs that one replica can do, by its best batch size. */
function jobsPerUsOf(system: System, replica: ReplicaSystem, maxBatch: number): number {
  let most = 0;
  for (let batch = 1; batch <= maxBatch; batch++) {
    most = Math.max(most, batch / cycleUs(system, replica, batch));
  }
  return most;
}

function cycleUs(system: System, replica: ReplicaSystem, batch: number): number {
  const { overheads, nodes } = system;
  const { workerRoundTripUs, dispatchUs, completionUs } = overheads;
  const { usPerByte, zoneRoundTripUs } = nodes[replica.node];
  const tripsUs = workerRoundTripUs.reduce((sum, us) => sum + us, 0);
  const tripUs = tripsUs / Math.max(1, workerRoundTripUs.length);
  const task = taskOf(system, replica.pool);
  const bytes = (task?.payloadBytes ?? 0) + (task?.outputBytes ?? 0);
  const wayUs = tripUs + zoneRoundTripUs + usPerByte * bytes * batch;
  const serviceUs = replica.service.meanUs[batch];
  return callLoadUs(system, replica.pool) + serviceUs + wayUs + dispatchUs + completionUs;
}

/** Undefined for a pool of no task. */
function taskOf({ pipelines }: System, pool: number): TaskSystem | undefined {
  return pipelines.flatMap(({ tasks }) => tasks).find(({ variants }) => variants.includes(pool));
}

/** Time of the load before each batch; 0 where models stay. */
function callLoadUs({ models, pools }: System, pool: number): number {
  const model = models.find(({ name }) => name === pools[pool].model);
  return model?.residency === "per-call" ? model.loadUs : 0;
}

function gatewayLoad(
  { overheads }: System,
  jobsPerUs: Float64Array,
  batches: readonly number[],
  ratePerS: number,
): OfferedLoad {
  const batchUs = overheads.dispatchUs + overheads.completionUs;
  const batchesPerUs = jobsPerUs.reduce((sum, perUs, pool) => sum + perUs / batches[pool], 0);
  const busy = (ratePerS / 1e6) * overheads.arrivalUs + batchesPerUs * batchUs;
  return { ratio: busy / overheads.gateways, station: "the gateway" };
}

/** Held chains: each serves one request from its first task to its last. */
function chainLoad(
  system: System,
  id: number,
  ratios: Float64Array,
  ratePerS: number,
): OfferedLoad {
  const { name, share, chains, tasks } = system.pipelines[id];
  const heldUs = tasks.reduce((sum, { pool }, task) => {
    const first = system.replicas[system.pools[pool].first];
    return sum + (first === undefined ? 0 : ratios[task] * cycleUs(system, first, 1));
  }, 0);
  return { ratio: ((ratePerS * share) / 1e6) * (heldUs / chains), station: `chains of ${name}` };
}

/** Something that replicas share; at a speed of 1, a job of a pool takes `timeUs` of it. */
interface Station {
  readonly name: string;
  readonly speed: number;
  readonly replicas: ReadonlySet<number>;
  readonly timeUs: (pool: number) => number;
}

/**
 * The load of devices, nodes and links that replicas share:
 *
 *   load = Σ pools wholly there (jobs per µs × least time of one alone) / speed
 *
 * The speed of a slot by time slices is 1; where n at once slow down by s(n), it is the largest
 * n / s(n). Slots that have a pool in common share the load of them all; a loader's is its
 * per-call loads. Each is a bound from below: pools that are elsewhere too may avoid a busy slot.
 * `jobsPerUs` and the largest batches are by pool.
 */
export function sharedLoads(
  system: System,
  jobsPerUs: Float64Array,
  batches: readonly number[],
): OfferedLoad[] {
  const { devices, nodes, pools, replicas, overheads } = system;
  const leastUs = pools.map((_, pool) => leastUsOf(system, pool, batches[pool]));
  const timeUs = (pool: number): number => leastUs[pool];
  const onSlot = grouped(replicas.map(({ slot }) => slot));
  const onNode = grouped(replicas.map(({ node }) => node));
  const slots = [...onSlot].flatMap(([slot, here]): Station[] => {
    const { name, sharing } = devices[slot];
    if (sharing === null) return [];
    const curve = sharing.kind === "processor-sharing" ? sharing.slowdown : [1];
    return [{ name, speed: bestSpeed(curve, here.size), replicas: here, timeUs }];
  });
  const hosts = [...onNode].flatMap(([node, here]): Station[] => {
    const { name, contention } = nodes[node];
    if (contention === null) return [];
    const speed = bestSpeed(contention, here.size);
    return [{ name: `node ${name}`, speed, replicas: here, timeUs }];
  });
  // The number of loads on demand is not known beforehand.
  const loaders = [...onSlot].map(([slot, here]): Station => {
    const loadUs = (pool: number): number => callLoadUs(system, pool) / batches[pool];
    return { name: `loads of ${devices[slot].name}`, speed: 1, replicas: here, timeUs: loadUs };
  });
  // Bytes of edges depend on what ran.
  const links = [...onNode].flatMap(([node, here]) =>
    (["payloadBytes", "outputBytes"] as const).map((bytes): Station => {
      const { name, usPerByte } = nodes[node];
      const way = bytes === "payloadBytes" ? "out" : "back";
      const wayUs = (pool: number): number => usPerByte * (taskOf(system, pool)?.[bytes] ?? 0);
      return { name: `the link of ${name} ${way}`, speed: 1, replicas: here, timeUs: wayUs };
    }),
  );
  const all = [
    ...[...slots, ...joined(system, slots), ...hosts],
    ...[...resourcesOf(system, onNode, timeUs), ...loaders],
    ...(overheads.sharedLinks ? links : []),
  ];
  return all.map((station) => {
    const ratio = pools.reduce((sum, one, pool) => {
      const own = membersOf(one);
      const isThere = own.length > 0 && own.every((replica) => station.replicas.has(replica));
      return isThere ? sum + (jobsPerUs[pool] * station.timeUs(pool)) / station.speed : sum;
    }, 0);
    return { ratio, station: station.name };
  });
}

/** Each resource of a node, and of all nodes: demand × time over what there is. */
function resourcesOf(
  { resources: names, nodes, pools, replicas }: System,
  onNode: ReadonlyMap<number, ReadonlySet<number>>,
  leastUs: (pool: number) => number,
): Station[] {
  const everywhere = new Set(replicas.keys());
  return names.flatMap((resource, r) => {
    const timeUs = (pool: number): number => {
      const demand = pools[pool].demand[r];
      return demand === 0 ? 0 : demand * leastUs(pool);
    };
    const total = nodes.reduce((sum, { resources }) => sum + resources[r], 0);
    const places = [...onNode].map(([node, here]) => ({
      name: `node ${nodes[node].name}`,
      speed: nodes[node].resources[r],
      replicas: here,
    }));
    if (nodes.length > 1) places.push({ name: "all nodes", speed: total, replicas: everywhere });
    return places
      .filter(({ speed }) => speed > 0)
      .map((place) => ({ ...place, name: `${resource} of ${place.name}`, timeUs }));
  });
}

/** The replicas of each key, in order of the keys. */
function grouped(keys: readonly number[]): ReadonlyMap<number, ReadonlySet<number>> {
  const ordered = [...new Set(keys)].sort((a, b) => a - b);
  const groups = new Map(ordered.map((key) => [key, new Set<number>()]));
  for (const [replica, key] of keys.entries()) groups.get(key)?.add(replica);
  return groups;
}

/** The most work that up to `replicas` at once do in a µs. */
function bestSpeed(slowdown: readonly number[], replicas: number): number {
  const speeds = Array.from({ length: replicas }, (_, i) => (i + 1) / slowdownOf(slowdown, i + 1));
  return Math.max(...speeds);
}

/** Shared slots that pools have in common, each group as one. */
function joined({ pools }: System, slots: readonly Station[]): Station[] {
  let groups = [...slots];
  for (const pool of pools) {
    const own = membersOf(pool);
    const met = groups.filter(({ replicas }) => own.some((replica) => replicas.has(replica)));
    if (met.length < 2) continue;
    const one = {
      name: met.map(({ name }) => name).join(", "),
      speed: met.reduce((sum, { speed }) => sum + speed, 0),
      replicas: new Set(met.flatMap(({ replicas }) => [...replicas])),
      timeUs: met[0].timeUs,
    };
    groups = [...groups.filter((group) => !met.includes(group)), one];
  }
  return groups;
}

/** Time of a job alone on the quickest of its replicas, in the best batch. */
function leastUsOf({ pools, replicas }: System, pool: number, maxBatch: number): number {
  const { first, count } = pools[pool];
  let least = Number.POSITIVE_INFINITY;
  for (const { service } of replicas.slice(first, first + count)) {
    for (let batch = 1; batch <= maxBatch; batch++) {
      least = Math.min(least, service.meanUs[batch] / batch);
    }
  }
  return least;
}

/** More random decisions than this are not enumerated: 2^14 cases. */
const MOST_DECISIONS = 14;

/**
 * Probability that each task runs, by enumeration of every outcome of the pipeline's conditions
 * and caches; null when there are too many. A task of a `first` or `atLeast` join may be cancelled
 * by its request's end, so there these are upper bounds.
 */
export function visitRatios(pipeline: PipelineSystem): Float64Array | null {
  const { tasks } = pipeline;
  const decisions = tasks.flatMap((task, id) => [
    ...(task.whenProbability < 1 ? [{ id, kind: "when", probability: task.whenProbability }] : []),
    ...(task.cacheHitRatio > 0 ? [{ id, kind: "hit", probability: task.cacheHitRatio }] : []),
  ]);
  if (decisions.length > MOST_DECISIONS) return null;
  const ratios = new Float64Array(tasks.length);
  for (let outcome = 0; outcome < 2 ** decisions.length; outcome++) {
    let probability = 1;
    const fails = new Set<number>();
    const hits = new Set<number>();
    for (const [bit, decision] of decisions.entries()) {
      const yes = ((outcome >> bit) & 1) === 1;
      probability *= yes ? decision.probability : 1 - decision.probability;
      if (decision.kind === "when" && !yes) fails.add(decision.id);
      if (decision.kind === "hit" && yes) hits.add(decision.id);
    }
    for (const id of tasksThatRun(pipeline, fails, hits)) ratios[id] += probability;
  }
  return ratios;
}

function tasksThatRun(
  { tasks }: PipelineSystem,
  fails: ReadonlySet<number>,
  hits: ReadonlySet<number>,
): ReadonlySet<number> {
  const ran = new Set<number>();
  const seen = new Set<number>();
  const visit = (id: number): boolean => {
    if (seen.has(id)) return ran.has(id);
    seen.add(id);
    const { predecessors, skippedBy } = tasks[id];
    const reached = predecessors.length === 0 || predecessors.filter(visit).length > 0;
    const skipped = skippedBy.some((cache) => visit(cache) && hits.has(cache));
    if (reached && !skipped && !fails.has(id)) ran.add(id);
    return ran.has(id);
  };
  for (let id = 0; id < tasks.length; id++) visit(id);
  return ran;
}
