/**
 * Costs of messages in one run: their round trips, and the gateway's work on them; of links to other machines; and a pilot
 * on replayed times that measures them where no overhead profile gives them.
 */

import type { MeasuredRun } from "../cluster/deploy/measured-run.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { expectedRequests, expectedSeconds } from "../engine/arrivals/arrival-source.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { meanOf, medianOf, sumOf } from "../engine/statistics/estimate.ts";
import type { System } from "../engine/system/system.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { excessUs } from "../scenario/compile/placement.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import type { OverheadProfile } from "../scenario/schema/profile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "../sim/replication.ts";
import { percent } from "./host.ts";
import type { ModelWorker } from "./model-worker.ts";
import type { MessageCosts } from "./paced-messages.ts";
import { equalShareMeans, MAX_QUANTILES, measuredHere } from "./profiles.ts";
import { runsOnDeployment } from "./real-runs.ts";

type RunOverheads = Omit<MeasuredRun["overheads"], "costs"> & {
  readonly costs: Pick<
    MeasuredRun["overheads"]["costs"],
    "receiveUs" | "arrivalUs" | "dispatchUs" | "completionUs"
  >;
};

/**
 * A measured round trip includes the gateway's work up to its handler; the simulator has that work as a cost of its
 * own, so it is subtracted here. Both must be of the same run.
 */
export function messageCosts({
  clientRoundTripUs,
  workerRoundTripUs,
  costs: { receiveUs, arrivalUs, dispatchUs, completionUs },
}: RunOverheads): MessageCosts {
  return {
    clientRoundTripUs: without(clientRoundTripUs, receiveUs),
    workerRoundTripUs: without(workerRoundTripUs, dispatchUs + receiveUs),
    gateway: { arrivalUs, dispatchUs, completionUs },
  };
}

function without(roundTripsUs: readonly number[], gatewayUs: number): number[] {
  const rest = roundTripsUs.map((us) => Math.max(0, us - gatewayUs));
  return equalShareMeans(rest, MAX_QUANTILES);
}

/** Without the part of the round trips that some machines' links add: the simulator adds it by node. */
export function onNearestLink(
  costs: MessageCosts,
  links: OverheadProfile["links"],
  document: ScenarioDocument,
  inputs: SimulationInputs,
): MessageCosts {
  if (links === undefined) return costs;
  const { replicas, nodes } = compileSystem(document, inputs);
  const excess = replicas.map(({ node }) => excessUs(links, nodes[node].name));
  const meanUs = meanOf(excess);
  const workerRoundTripUs = costs.workerRoundTripUs.map((us) => Math.max(0, us - meanUs));
  return { ...costs, workerRoundTripUs };
}

type Links = NonNullable<OverheadProfile["links"]>;

const WARMUP_CALLS = 10;
const CALLS = 100;
/** Bytes of payloads, and how often each is sent. */
const PAYLOADS = [
  [64 * 1024, 20],
  [512 * 1024, 10],
  [4 * 1024 * 1024, 5],
] as const;

/** One link after another: `workers`, by the node's name, answer at once. Nodes of one machine share its link. */
export async function measureLinks(workers: ReadonlyMap<string, ModelWorker>): Promise<Links> {
  const links: Record<string, Links[string]> = {};
  const known = new Map<ModelWorker, Links[string]>();
  for (const [node, worker] of workers) {
    const link = known.get(worker) ?? (await measureLink(worker));
    known.set(worker, link);
    links[node] = link;
  }
  return links;
}

async function measureLink(worker: ModelWorker): Promise<Links[string]> {
  await roundTripsUs(worker, 0, WARMUP_CALLS);
  const rttUs = await roundTripsUs(worker, 0, CALLS);
  const payloads = [];
  for (const [bytes, calls] of PAYLOADS) {
    const us = await roundTripsUs(worker, bytes, calls);
    payloads.push({ bytes, roundTripUs: equalShareMeans(us, MAX_QUANTILES) });
  }
  return { rttUs: equalShareMeans(rttUs, MAX_QUANTILES), payloads, gbps: gbpsOf(rttUs, payloads) };
}

/** Time from the call to its answer, without the service time. */
async function roundTripsUs(worker: ModelWorker, bytes: number, calls: number): Promise<number[]> {
  const job = { payload: new Uint8Array(bytes), upstream: "{}", tensors: {} };
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const startMs = performance.now();
    const { serviceUs } = await worker.call([job]);
    times.push(Math.max(0, (performance.now() - startMs) * 1000 - serviceUs));
  }
  return times;
}

/** The bandwidth follows from the median time of the largest payload, which includes copies and encryption. */
function gbpsOf(
  rttUs: readonly number[],
  payloads: readonly { readonly bytes: number; readonly roundTripUs: readonly number[] }[],
): number {
  const { bytes, roundTripUs } = payloads[payloads.length - 1];
  const us = Math.max(1, medianOf(roundTripUs) - medianOf(rttUs));
  return Number(((8 * bytes) / (us * 1000)).toPrecision(3));
}

export interface ReplayPilotInput {
  /** To be predicted: its pipelines and its shape are run. */
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  /** As in the runs to be predicted, by seed. */
  readonly contents: (seed: string) => readonly RequestContents[];
  /** Wall-clock time over the scenario's time, in the runs to be predicted. */
  readonly timeScale: number;
  readonly inventory?: LoadedInventory | undefined;
  readonly date: string;
  readonly signal?: AbortSignal | undefined;
}

/** Of each pilot run: a gateway that has just started costs more, as its code is compiled while it runs. */
const WARMUP_SECONDS = 1;
const MEASURED_SECONDS = 4;
/** Runs on one deployment, until two that follow one another agree. */
const [LEAST_PILOTS, MOST_PILOTS] = [2, 4];
/** Workers that are still starting make the first round trips dear. */
const STEADY = 0.2;
/** Equal parts of a run that tell how its costs vary. */
const ROUNDS = 6;
/** Of a pilot that is steady at once, with the start of the deployment and its end. */
export const PILOT_SECONDS = LEAST_PILOTS * (WARMUP_SECONDS + MEASURED_SECONDS + 2) + 4;
/** Requests a second of the wall clock: enough to measure by, and no more than a busy gateway bears. */
const LEAST_PER_S = 40;
const MOST_PER_S = 200;
/** Aimed-at utilization of the busiest pool: times are replayed faster until it has room for the rate. */
const UTILIZATION = 0.25;
/** Configurations of about the same number of replicas share a pilot: within a factor of two. */
export function sizeOf(document: ScenarioDocument, inputs: SimulationInputs): number {
  return Math.floor(Math.log2(Math.max(1, compileSystem(document, inputs).replicas.length)));
}

/** Beyond those of any run to be predicted. */
const REPLICATION = 1_000_000;

/** Real runs have this machine's messages, whatever network and gateway their scenario assumes. */
export function needsPilot({
  overheadProfile,
}: Pick<SimulationInputs, "overheadProfile">): boolean {
  return overheadProfile === undefined;
}

/**
 * The inputs of predictions with what messages cost, a note that says where that is from, and why no verdict may rest on
 * it; null: nothing speaks against it.
 */
export async function withMessageCosts(input: ReplayPilotInput): Promise<{
  readonly inputs: SimulationInputs;
  readonly note: string;
  readonly doubt: string | null;
}> {
  try {
    const { overheadProfile, doubt } = await replayPilot(input);
    const note = pilotNote(overheadProfile);
    return { inputs: { ...input.inputs, overheadProfile }, note, doubt };
  } catch (error) {
    if (!(error instanceof Fault) || error.code === "interrupted") throw error;
    const note = `network and gateway are predicted as 0, so latencies too low: no overhead profile, and the pilot that stands for one failed: ${error.message}`;
    return { inputs: input.inputs, note, doubt: null };
  }
}

function pilotNote({ clientRoundTripUs, workerRoundTripUs, gateway }: OverheadProfile): string {
  const ms = (us: number): string => `${(us / 1000).toFixed(2)} ms`;
  return (
    "no overhead profile: a pilot of the pipeline on replayed times measured, on average, round trips of " +
    `${ms(meanOf(clientRoundTripUs))} (client) and ${ms(meanOf(workerRoundTripUs))} (worker), and ` +
    `${ms(gateway.arrivalUs)} of the gateway an arrival, ${ms(gateway.dispatchUs + gateway.completionUs)} a batch`
  );
}

/**
 * Short runs of the scenario's own pipeline on replayed times, on a deployment of its own size, at about the rate of the
 * runs to be predicted: a no-op in place of the pipeline was found to lose 0.4 ms a message. The first runs may meet
 * workers that still start, so they go on until two in turn agree.
 * Throws Fault("cluster-failure") when the deployment fails, Fault("unhealthy") when no request was answered.
 */
async function replayPilot(input: ReplayPilotInput): Promise<{
  readonly overheadProfile: OverheadProfile;
  readonly doubt: string | null;
}> {
  const { inputs, contents, signal, inventory } = input;
  const { document, timeScale } = pilotOf(input);
  const seed = replicationSeed(document.run.seed, REPLICATION);
  const carried = contents(seed);
  const options = { document, inputs, timeScale, signal, inventory, seed };
  const runs = await runsOnDeployment(
    { ...options, backend: "replay" },
    () => carried,
    async (run) => {
      const ended = [await run(seed)];
      while (
        ended.length < LEAST_PILOTS ||
        (changeOf(ended) > STEADY && ended.length < MOST_PILOTS)
      ) {
        ended.push(await run(seed));
      }
      return ended;
    },
  );
  const { overheads, summary } = runs[runs.length - 1];
  if (overheads.clientRoundTripUs.length === 0 || overheads.workerRoundTripUs.length === 0) {
    throw new Fault("unhealthy", "no request of the pilot on replayed times was answered");
  }
  const { tasks } = runReplication(document, inputs, REPLICATION).summary;
  const lateUs = latenessUs(summary.tasks, tasks) * timeScale;
  const costs = messageCosts(overheads);
  const overheadProfile: OverheadProfile = {
    schema: "tandem/overhead@1",
    provenance: measuredHere(
      "the pipeline on replayed times",
      `Node ${process.versions.node}`,
      "none",
      input.date,
    ),
    ...costs,
    workerRoundTripUs: costs.workerRoundTripUs.map((us) => Math.round(us + lateUs)),
    contention: compileSystem(input.document, inputs).replicas.map(() => 1),
    rounds: costRounds(overheads, lateUs),
  };
  return { overheadProfile, doubt: pilotDoubt(runs) };
}

/** By how much the last run's round trips to workers differ from those of the one before. */
function changeOf(runs: readonly MeasuredRun[]): number {
  const [before, last] = runs.slice(-2).map(({ overheads }) => meanOf(overheads.workerRoundTripUs));
  return Math.abs(last / before - 1);
}

/** Why the last run is in doubt; null: it is steady, and its host was fit. A busy host is not asked again: it stays busy. */
function pilotDoubt(runs: readonly MeasuredRun[]): string | null {
  const { reasons } = runs[runs.length - 1].health;
  const doubted = "the cost of messages is in doubt: ";
  if (reasons.length > 0) return `${doubted}${reasons.join("; ")}`;
  const change = changeOf(runs);
  return change <= STEADY
    ? null
    : `${doubted}round trips to workers changed by ${percent(change)} from one pilot run to the next`;
}

/** Means of equal parts of a run, in the order of its messages. */
function costRounds(
  overheads: MeasuredRun["overheads"],
  lateUs: number,
): NonNullable<OverheadProfile["rounds"]> {
  const part = (all: readonly number[], i: number): readonly number[] => {
    const [from, to] = [i, i + 1].map((end) => Math.floor((end * all.length) / ROUNDS));
    return to > from ? all.slice(from, to) : all;
  };
  return Array.from({ length: ROUNDS }, (_, i) => {
    const { clientRoundTripUs, workerRoundTripUs, gateway } = messageCosts({
      clientRoundTripUs: part(overheads.clientRoundTripUs, i),
      workerRoundTripUs: part(overheads.workerRoundTripUs, i),
      costs: overheads.costs,
    });
    return {
      atS: (i + 0.5) * (MEASURED_SECONDS / ROUNDS),
      clientRoundTripUs: meanOf(clientRoundTripUs),
      workerRoundTripUs: meanOf(workerRoundTripUs) + lateUs,
      gatewayUs: gateway.arrivalUs + gateway.dispatchUs + gateway.completionUs,
      contention: [1],
    };
  });
}

/**
 * Mean time by which replicas waited longer than the very same jobs take in the simulator, µs: a process
 * is late to wake on a host that has other work, 0.1 to 0.25 ms a batch on two cores.
 */
export function latenessUs(measured: RunSummary["tasks"], simulated: RunSummary["tasks"]): number {
  const tasks = Object.entries(measured).filter(([, { jobs }]) => jobs > 0);
  const excessMs = tasks.map(([name, { serviceMeanMs, jobs }]) => {
    return jobs * (serviceMeanMs - (simulated[name].serviceMeanMs || serviceMeanMs));
  });
  return Math.max(
    0,
    (1000 * sumOf(excessMs)) / Math.max(1, sumOf(tasks.map(([, one]) => one.jobs))),
  );
}

/** The document's pipelines and cluster under a load that they bear, and how fast times are replayed. */
export function pilotOf({
  document: first,
  inputs,
  timeScale,
}: Pick<ReplayPilotInput, "document" | "inputs" | "timeScale">): {
  readonly document: ScenarioDocument;
  readonly timeScale: number;
} {
  const { workload, faults: _, ...rest } = first;
  const seconds = expectedSeconds(workload) * timeScale;
  const ownPerS = seconds > 0 ? expectedRequests(workload) / seconds : LEAST_PER_S;
  const perS = Math.min(MOST_PER_S, Math.max(LEAST_PER_S, ownPerS));
  const plain: ScenarioDocument = { ...rest, scheduler: "fifo", workload };
  const scale = Math.min(1, (UTILIZATION * leastPerS(compileSystem(plain, inputs))) / perS);
  return {
    timeScale: scale,
    document: {
      ...plain,
      workload: {
        arrivals: "poisson",
        ratePerS: perS * scale,
        durationS: (WARMUP_SECONDS + MEASURED_SECONDS) / scale,
        warmupS: WARMUP_SECONDS / scale,
      },
    },
  };
}

/** Requests a second that every pool and chain can serve, whatever the branches: each task runs at most once. */
function leastPerS({ pools, replicas, pipelines }: System): number {
  const perS = pools.map(({ first, count }) =>
    replicas
      .slice(first, first + count)
      .reduce((sum, { service }) => sum + 1e6 / service.meanUs[1], 0),
  );
  const inARow = Math.max(...pipelines.map(({ held, tasks }) => (held ? tasks.length : 1)));
  return Math.min(...perS) / inARow;
}
