/**
 * The traffic equations: what each station is asked to do against what it can do at most.
 *
 *   load of a pool = Σ pipelines (arrival rate × visit ratio) / Σ replicas (up × largest b / cycle(b))
 *   up             = share of its full speed that random faults leave a replica in the long run
 *   cycle(b)       = mean service of a batch of b + round trip + bytes + gateway cost of its messages
 *                    + its load, if per call
 *   load of the gateway = arrival rate × cost of a request's messages, batches as large as they go
 *
 * Source: Jackson, "Networks of waiting lines", Operations Research 5(4), 1957. Batches are taken
 * to be as large as policy and model allow, which is what a long queue makes of them.
 */
import type { Scheduler } from "../dispatch/policies.ts";
import { speedShare } from "../fault-causes.ts";
import type { PipelineSystem, ReplicaSystem, System } from "../system.ts";
import { sharedLoads } from "./shared-load.ts";
import { visitRatios } from "./visit-ratios.ts";

export interface OfferedLoad {
  /** Of the busiest station; 1 and more: it cannot keep up. */
  readonly ratio: number;
  readonly station: string;
}

/** Null where the equations do not reach: too many branches, early joins, held chains that fork. */
export function offeredLoad(
  system: System,
  scheduler: Scheduler,
  ratePerS: number,
): OfferedLoad | null {
  const ratios = system.pipelines.map(visitRatios);
  if (ratios.some((found) => found === null) || !system.pipelines.every(isPlain)) return null;
  const jobsPerUs = new Float64Array(system.pools.length);
  for (const [p, pipeline] of system.pipelines.entries()) {
    const perUs = (ratePerS * pipeline.share) / 1e6;
    for (const [t, task] of pipeline.tasks.entries()) {
      jobsPerUs[task.pool] += perUs * (ratios[p] as Float64Array)[t];
    }
  }
  const batches = system.pools.map((pool, id) =>
    Math.min(pool.maxBatch, scheduler.pools[id].batching.maxBatch),
  );
  const stations = [
    gatewayLoad(system, jobsPerUs, batches, ratePerS),
    ...sharedLoads(system, jobsPerUs, batches),
  ];
  for (const [id, pool] of system.pools.entries()) {
    const most = Math.min(pool.count, scheduler.pools[id].scaling?.max ?? pool.count);
    let capacity = 0;
    for (let replica = pool.first; replica < pool.first + most; replica++) {
      const jobs = jobsPerUsOf(system, system.replicas[replica], batches[id]);
      capacity += jobs * speedShare(system.faults, replica);
    }
    const ratio = jobsPerUs[id] === 0 ? 0 : jobsPerUs[id] / capacity;
    stations.push({ ratio, station: pool.name });
  }
  for (const [p, pipeline] of system.pipelines.entries()) {
    if (pipeline.held) stations.push(chainLoad(system, p, ratios[p] as Float64Array, ratePerS));
  }
  return stations.reduce((most, station) => (station.ratio > most.ratio ? station : most));
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
  const { overheads, pipelines, nodes, models, pools } = system;
  const { workerRoundTripUs, dispatchUs, completionUs } = overheads;
  const { usPerByte, zoneRoundTripUs } = nodes[replica.node];
  const tripsUs = workerRoundTripUs.reduce((sum, us) => sum + us, 0);
  const tripUs = tripsUs / Math.max(1, workerRoundTripUs.length);
  const task = pipelines.flatMap(({ tasks }) => tasks).find(({ pool }) => pool === replica.pool);
  const bytes = (task?.payloadBytes ?? 0) + (task?.outputBytes ?? 0);
  const wayUs = tripUs + zoneRoundTripUs + usPerByte * bytes * batch;
  const model = models.find(({ name }) => name === pools[replica.pool].model);
  const loadUs = model?.residency === "per-call" ? model.loadUs : 0;
  return loadUs + replica.service.meanUs[batch] + wayUs + dispatchUs + completionUs;
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
