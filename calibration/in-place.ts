/**
 * Models in their place: whole rounds through the contents of requests, under light load, on a running deployment of the
 * pipeline. Calibration measures so how serving changes the models' times, and what messages cost; a validation
 * measures the same between its blocks of load.
 */
import type { Deployment } from "../cluster/deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "../cluster/deploy/measured-run.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { type Served, workOf } from "../engine/service/slow-down.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import type { System } from "../engine/system/system.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { OverheadProfile } from "../scenario/schema/profile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";

export interface InPlacePlan {
  /** The deployment's own document; its workload is replaced. */
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  /** By the name of a pipeline. */
  readonly contents: Readonly<Record<string, readonly RequestContents[]>>;
  readonly ratePerS: number;
  readonly signal?: AbortSignal | undefined;
}

/** Aimed-at utilization of the busiest task by one replica. */
const UTILIZATION = 0.25;
/** Tiny models are bound by the serving, which is not to be overloaded. */
const MOST_PER_S = 40;

/** Requests a second of a light load, where `busiestUs` is the most work that a request brings to one task. */
export function lightRatePerS(busiestUs: number): number {
  return Math.min(MOST_PER_S, (UTILIZATION * 1e6) / busiestUs);
}

/** One request for each of the contents, in their order. */
export function inPlaceRound(
  deployment: Deployment,
  { document, inputs, contents, ratePerS, signal }: InPlacePlan,
  seed: string,
): Promise<MeasuredRun> {
  const requests = Math.max(...Object.values(contents).map(({ length }) => length));
  const workload = { arrivals: "poisson", ratePerS, requests, warmupS: 0 } as const;
  const options = { inputs, seed, signal, contents: (pipeline: string) => contents[pipeline] };
  return measuredRun(deployment, { ...options, document: { ...document, workload } });
}

/**
 * One or two requests at a time, as under light load: the models' own code and caches. The bursts before each run warm what
 * carries the messages, by thousands of requests.
 */
const WARM_UP = { arrivals: "closed", clients: 2, thinkMs: 0, durationS: 14, warmupS: 0 } as const;

/** Back to back, and a light round: then the deployment's own costs are those of a long run. */
export async function warmUp(
  deployment: Deployment,
  plan: InPlacePlan,
  seed: string,
): Promise<void> {
  const { document, inputs, contents, signal } = plan;
  const options = { inputs, seed, signal, contents: (pipeline: string) => contents[pipeline] };
  await measuredRun(deployment, { ...options, document: { ...document, workload: WARM_UP } });
  await inPlaceRound(deployment, plan, `${seed}/light`);
}

export interface ServedBatch extends Served {
  readonly jobs: number;
}

/** Batches of a run by the gateway's log, each in the middle of its round trip. */
export function servedBatches(log: string): ServedBatch[] {
  const started = new Map<number, { readonly nowUs: number; readonly jobs: number }>();
  const served: ServedBatch[] = [];
  for (const [kind, replica, nowUs, ...rest] of RunLog.parse(log).entries) {
    if (kind === "start") started.set(replica, { nowUs, jobs: rest.length });
    if (kind !== "served") continue;
    const [serviceUs, hopUs] = rest;
    const begun = started.get(replica);
    if (begun === undefined) continue;
    const startUs = Math.max(begun.nowUs, nowUs - hopUs / 2 - serviceUs);
    served.push({ replica, startUs, endUs: startUs + serviceUs, jobs: begun.jobs });
  }
  return served;
}

/** A batch with the work in it: its time without the slow-down by neighbours on its node, µs. */
export interface WorkedBatch extends ServedBatch {
  readonly pool: number;
  readonly workUs: number;
}

export function workedBatches<Batch extends ServedBatch>(
  { replicas, nodes }: Pick<System, "replicas" | "nodes">,
  served: readonly Batch[],
): (Batch & WorkedBatch)[] {
  return nodes.flatMap(({ contention }, node) => {
    const own = served.filter((batch) => replicas[batch.replica].node === node);
    const work = contention === null ? own.map(timeOf) : workOf(own, contention);
    return own.map((batch, i) => ({
      ...batch,
      pool: replicas[batch.replica].pool,
      workUs: work[i],
    }));
  });
}

function timeOf({ startUs, endUs }: Served): number {
  return endUs - startUs;
}

/** Mean work of batches of one job, by model, µs; models that had none are left out. */
export function workByModel(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  contention: OverheadProfile["contention"] | undefined,
  log: string,
): Readonly<Record<string, number>> {
  const system = compileSystem(document, inputs);
  const nodes =
    contention === undefined ? system.nodes : system.nodes.map((node) => ({ ...node, contention }));
  const single = workedBatches({ ...system, nodes }, servedBatches(log)).filter(
    ({ jobs }) => jobs === 1,
  );
  const models = [...new Set(system.pools.map(({ model }) => model))];
  return Object.fromEntries(
    models.flatMap((model) => {
      const own = single.filter(({ pool }) => system.pools[pool].model === model);
      return own.length === 0 ? [] : [[model, meanOf(own.map(({ workUs }) => workUs))]];
    }),
  );
}
