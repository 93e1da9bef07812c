/**
 * The traffic equations: the load of each station over the most that it can do.
 *
 *   load of a pool = Σ pipelines (arrival rate × visit ratio) / Σ replicas (up × largest b / cycle(b))
 *   up             = share of its full speed that random faults leave a replica in the long run
 *   cycle(b)       = mean service of a batch of b + round trip + bytes + gateway cost of its messages
 *                    + its load, if per call
 *   load of the gateway = arrival rate × cost of a request's messages, batches as large as they go
 *
 * A task with variants spreads its jobs by their capacities, so that all of them are full at once.
 *
 * Source: Jackson, "Networks of waiting lines", Operations Research 5(4), 1957. Batches are taken
 * to be as large as policy and model allow, as in a long queue.
 */
import type { Scheduler } from "../dispatch/policies.ts";
import { speedShare } from "../fault-causes.ts";
import type { PipelineSystem, ReplicaSystem, Sharing, System, TaskSystem } from "../system.ts";
import { slowdownOf } from "../system.ts";

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

interface Shared {
  readonly name: string;
  readonly speed: number;
  readonly replicas: ReadonlySet<number>;
}

/**
 * The load of devices, nodes and links that replicas share:
 *
 *   load = Σ pools wholly there (jobs per µs × least time of one alone) / speed
 *
 * The speed of a slot by time slices is 1; where n at once slow down by s(n), it is the largest
 * n / s(n). Of slots that have a pool in common the load is over them all; a loader's is its
 * per-call loads. Each is a bound from below: pools that are elsewhere too may avoid a busy slot.
 * `jobsPerUs` and the largest batches are by pool.
 */
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
  const serving = [...shared, ...joined(system, shared), ...hosts].map((station) =>
    loadOf(system, station, jobsPerUs, (pool) => leastUs(system, pool, batches[pool])),
  );
  return [
    ...serving,
    ...resourceLoads(system, onNode, jobsPerUs, batches),
    ...loaders(system, onSlot, jobsPerUs, batches),
    ...links(system, onNode, jobsPerUs),
  ];
}

/** Each resource of a node, and of all nodes: demand × time over what there is. */
function resourceLoads(
  system: System,
  onNode: ReadonlyMap<number, ReadonlySet<number>>,
  jobsPerUs: Float64Array,
  batches: readonly number[],
): OfferedLoad[] {
  const { nodes, pools, replicas } = system;
  const everywhere = new Set(replicas.keys());
  return system.resources.flatMap((resource, r) => {
    const each = (pool: number): number =>
      pools[pool].demand[r] === 0
        ? 0
        : pools[pool].demand[r] * leastUs(system, pool, batches[pool]);
    const load = (name: string, speed: number, where: ReadonlySet<number>): OfferedLoad[] => {
      if (!pools.some(({ demand }) => demand[r] > 0) || !Number.isFinite(speed)) return [];
      const station = { name: `${resource} of ${name}`, speed, replicas: where };
      return [loadOf(system, station, jobsPerUs, each)];
    };
    const total = nodes.reduce((sum, { resources }) => sum + resources[r], 0);
    return [
      ...[...onNode].flatMap(([node, here]) =>
        nodes[node].resources[r] > 0
          ? load(`node ${nodes[node].name}`, nodes[node].resources[r], here)
          : [],
      ),
      ...(nodes.length > 1 && total > 0 ? load("all nodes", total, everywhere) : []),
    ];
  });
}

/** Each direction of a link that transfers share; bytes of edges depend on what ran. */
function links(
  system: System,
  onNode: ReadonlyMap<number, ReadonlySet<number>>,
  jobsPerUs: Float64Array,
): OfferedLoad[] {
  if (!system.overheads.sharedLinks) return [];
  const tasks = system.pools.map((_, id) => taskOf(system, id));
  return [...onNode].flatMap(([node, replicas]) => {
    const { name, usPerByte } = system.nodes[node];
    const directions = [
      ["payloadBytes", "out"],
      ["outputBytes", "back"],
    ] as const;
    return directions.map(([bytes, way]) => {
      const each = (pool: number): number => usPerByte * (tasks[pool]?.[bytes] ?? 0);
      const station = { name: `the link of ${name} ${way}`, speed: 1, replicas };
      return loadOf(system, station, jobsPerUs, each);
    });
  });
}

/** Slots load one model at a time; the number of loads on demand is not known beforehand. */
function loaders(
  system: System,
  onSlot: ReadonlyMap<number, ReadonlySet<number>>,
  jobsPerUs: Float64Array,
  batches: readonly number[],
): OfferedLoad[] {
  const loadUs = system.pools.map((_, id) => callLoadUs(system, id));
  if (loadUs.every((us) => us === 0)) return [];
  return [...onSlot].map(([slot, replicas]) => {
    const station = { name: `loads of ${system.devices[slot].name}`, speed: 1, replicas };
    return loadOf(system, station, jobsPerUs, (pool) => loadUs[pool] / batches[pool]);
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

/** The most work that up to `replicas` at once do in a µs. */
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

function loadOf(
  { pools }: System,
  { name, speed, replicas }: Shared,
  jobsPerUs: Float64Array,
  timeUs: (pool: number) => number,
): OfferedLoad {
  const ratio = pools.reduce((sum, { first, count }, pool) => {
    const wholly = Array.from({ length: count }, (_, i) => first + i).every((id) =>
      replicas.has(id),
    );
    return wholly && count > 0 ? sum + (jobsPerUs[pool] * timeUs(pool)) / speed : sum;
  }, 0);
  return { ratio, station: name };
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
