/**
 * Costs of serving. A no-op task gives the costs of messages without models. A pilot run of the real pipeline
 * under moderate load, with all contents in whole rounds, then measures messages while models keep the
 * processors busy, and how much serving slows the models. Predictions of other loads, shapes and schedulers
 * start from there.
 *
 *   models alone ─> pilot ─> models alone     once more where the host drifted or other programs ran
 */

import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { compileSystem } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import type { LoadedInventory } from "../core/inventory/read-inventory.ts";
import { excessUs, poolsOf } from "../core/placement.ts";
import type { OverheadProfile, Profile } from "../core/profile.ts";
import { modelSchema } from "../core/scenario/schema/pipelines.ts";
import { type ScenarioDocument, scenarioSchema } from "../core/scenario/schema.ts";
import { meanOf } from "../core/statistics/estimate.ts";
import { runReplication, type SimulationInputs } from "../sim/replication.ts";
import type { ContentsByPipeline } from "./contents.ts";
import { type PaceFinding, type PaceTarget, paceFinding, paceMeter } from "./measure-service.ts";
import { type MessageCosts, messageCosts } from "./message-costs.ts";
import { scaledProfile } from "./predict.ts";
import { singleRun } from "./real-runs.ts";

type DeviceProfiles = Readonly<Record<string, Readonly<Record<string, Profile>>>>;

export interface PilotInput {
  readonly document: ScenarioDocument;
  /** By model name and kind of device; of one kind, it stands for all. */
  readonly deviceProfiles: DeviceProfiles;
  readonly overheadProfile: OverheadProfile;
  /** Measured share of requests for which a conditional task ran, by `pipeline/task`. */
  readonly branchShares: Readonly<Record<string, number>>;
  readonly contents: ContentsByPipeline;
  readonly folder: string | undefined;
  readonly inventory?: LoadedInventory | undefined;
  /** Fewer requests are sent where they take longer, but one round through the contents is. */
  readonly maxSeconds?: number | undefined;
  /** Every model, to be called alone before and after the pilot. */
  readonly pace: readonly PaceTarget[];
  readonly onAgain?: (reason: string) => void;
}

/** About so many requests are sent. */
const REQUESTS = 192;
/** Aimed-at utilization of the busiest pool with one replica each. */
const UTILIZATION = 0.25;
/** Tiny models are bound by the serving, which is not to be overloaded. */
const MOST_PER_S = 40;
const SIMULATIONS = 40;
/** A host that drifts or is busy during both is likely to stay so. */
const MOST_PILOTS = 2;
/** Beyond this drift of the models' own times the effects of serving and of the host are not separable. */
const MOST_DRIFT = 0.05;
const SEED = "calibration/pilot";

export interface PilotResult {
  /** As given: times as they are in a serving pipeline. */
  readonly deviceProfiles: DeviceProfiles;
  /** As messages are under load. */
  readonly overheadProfile: OverheadProfile;
  /** Why its figures may not hold. */
  readonly doubts: readonly string[];
}

export async function runPilot(input: PilotInput): Promise<PilotResult> {
  const { deviceProfiles, overheadProfile, folder, inventory, onAgain } = input;
  const document = pilotDocument(input);
  const profiles = Object.fromEntries(
    Object.entries(deviceProfiles).flatMap(([model, byDevice]) =>
      Object.entries(byDevice).map(([device, profile]) => [profileName(model, device), profile]),
    ),
  );
  const inputs: SimulationInputs = { profiles, traces: {}, overheadProfile, folder };
  const measurePace = paceMeter(input.pace);
  for (let pilots = 1; ; pilots++) {
    const before = await measurePace();
    const { summary, overheads, health } = await singleRun(
      { document, inputs, backend: "real", seed: SEED, inventory },
      (pipeline) => input.contents[pipeline],
    );
    const found = paceFinding([before, await measurePace()], document, profiles, MOST_DRIFT);
    const doubts = [...(found?.reason ? [found.reason] : []), ...health.reasons];
    if (pilots < MOST_PILOTS && doubts.length > 0) {
      onAgain?.(doubts[0]);
      continue;
    }
    const factors = servingFactors(document, inputs, summary.tasks, found?.pace ?? {});
    const serving = (model: string, profile: Profile): Profile => {
      const servingFactor = factors[model] ?? 1;
      return { ...scaledProfile(profile, servingFactor), servingFactor };
    };
    const costs = onNearestLink(messageCosts(overheads), overheadProfile.links, document, inputs);
    return {
      deviceProfiles: Object.fromEntries(
        Object.entries(deviceProfiles).map(([model, byDevice]) => [
          model,
          Object.fromEntries(
            Object.entries(byDevice).map(([device, one]) => [device, serving(model, one)]),
          ),
        ]),
      ),
      overheadProfile: { ...overheadProfile, ...costs },
      doubts: doubts.map((reason) => `in the pilot run: ${reason}`),
    };
  }
}

/** Without the part of the round trips that some machines' links add: the simulator adds it by node. */
function onNearestLink(
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

function profileName(model: string, device: string): string {
  return `${model} on ${device}`;
}

/** One replica of each task, measured branch shares, and whole rounds through the contents. */
function pilotDocument({
  document,
  deviceProfiles,
  inventory,
  branchShares,
  contents,
  maxSeconds = Number.POSITIVE_INFINITY,
}: PilotInput): ScenarioDocument {
  const pipelines = Object.fromEntries(
    Object.entries(document.pipelines).map(([name, pipeline]) => {
      const tasks = Object.entries(pipeline.tasks).map(([task, entry]) => {
        const share = branchShares[`${name}/${task}`];
        const when =
          entry.when === undefined || share === undefined
            ? entry.when
            : { ...entry.when, probability: share };
        return [task, when === undefined ? entry : { ...entry, when }];
      });
      return [name, { ...pipeline, tasks: Object.fromEntries(tasks) }];
    }),
  );
  const models = Object.fromEntries(
    Object.entries(document.models).map(([name, { implementation }]) => {
      const devices = Object.keys(deviceProfiles[name]);
      const byDevice = Object.fromEntries(devices.map((one) => [one, profileName(name, one)]));
      const [only] = Object.values(byDevice);
      const profile = devices.length === 1 ? only : byDevice;
      return [name, modelSchema.parse({ profile, implementation })];
    }),
  );
  const replicas = Object.fromEntries(
    Object.values(pipelines).flatMap(({ tasks }) => Object.keys(tasks).map((task) => [task, 1])),
  );
  const busiestUs = Math.max(...loadsUs(pipelines, deviceProfiles));
  const ratePerS = Math.min(MOST_PER_S, (UTILIZATION * 1e6) / busiestUs);
  const round = Math.max(...Object.values(contents).map(({ length }) => length));
  return {
    name: document.name,
    pipelines,
    models,
    cluster: inventory === undefined ? { replicas } : onNodes(document.cluster, replicas),
    scheduler: "fifo",
    workload: {
      arrivals: "poisson",
      ratePerS,
      requests: wholeRounds(round, maxSeconds * ratePerS),
      warmupS: 0,
    },
    run: { seed: 1, replications: 1 },
  };
}

/** Requests for whole rounds through `contents`, at most `most` but one round; a part of a round of many contents. */
export function wholeRounds(contents: number, most = Number.POSITIVE_INFINITY): number {
  if (contents >= REQUESTS) return REQUESTS;
  const rounds = Math.min(Math.ceil(REQUESTS / contents), Math.floor(most / contents));
  return Math.max(1, rounds) * contents;
}

/** Work that one request brings to each task, µs, if every predecessor runs. */
function loadsUs(pipelines: ScenarioDocument["pipelines"], profiles: DeviceProfiles): number[] {
  const slowestUs = (model: string): number =>
    Math.max(...Object.values(profiles[model]).map(({ batches }) => batches[0].meanUs));
  return Object.values(pipelines).flatMap(({ tasks }) =>
    poolsOf(tasks).map(
      ({ task, model }) => slowestUs(model) * (tasks[task].when?.probability ?? 1),
    ),
  );
}

/** The scenario's nodes, with each task's one replica where its first is placed. */
function onNodes(
  { nodes, placement = [] }: ScenarioDocument["cluster"],
  replicas: Readonly<Record<string, number>>,
): ScenarioDocument["cluster"] {
  const first = placement.filter(
    (entry, i) => placement.findIndex(({ task }) => task === entry.task) === i,
  );
  return {
    replicas,
    ...(nodes === undefined ? {} : { nodes }),
    ...(first.length === 0 ? {} : { placement: first.map((one) => ({ ...one, replicas: 1 })) }),
  };
}

/**
 * Measured over simulated service time of each model's jobs in the pilot, at the pace that the host
 * had then. Serving slows a model by what else runs, and speeds it up where a processor that idles
 * between two calls alone wakes with cold caches and a low clock: 14.8 ms became 22 to 34 ms after a
 * pause of 200 ms on one virtual machine. A factor below 1 is therefore kept.
 */
export function servingFactors(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  measured: Readonly<Record<string, Readonly<Record<string, number>>>>,
  pace: PaceFinding["pace"],
): Readonly<Record<string, number>> {
  const simulatedMs: Record<string, number> = {};
  for (let replication = 0; replication < SIMULATIONS; replication++) {
    const { tasks } = runReplication(document, inputs, replication).summary;
    for (const [task, { serviceMeanMs }] of Object.entries(tasks)) {
      simulatedMs[task] = (simulatedMs[task] ?? 0) + serviceMeanMs / SIMULATIONS;
    }
  }
  const factors: Record<string, number> = {};
  for (const { tasks } of Object.values(document.pipelines)) {
    for (const { pool: task, model } of poolsOf(tasks)) {
      const factor = measured[task].serviceMeanMs / simulatedMs[task] / (pace[task] ?? 1);
      if (Number.isFinite(factor)) factors[model] = Math.max(factors[model] ?? 0, factor);
    }
  }
  return factors;
}

const RATE_PER_S = 40;
const WARMUP_S = 1;

/**
 * Costs of serving without models: a pipeline of one no-op task through a real gateway and a real
 * worker, with as many bytes as the real pipeline gets, under light open-loop load. Runs for
 * `seconds` and a second of warm-up. Throws Fault("unhealthy") when nothing was answered.
 */
export async function measureOverheads(
  contents: readonly RequestContents[],
  seconds: number,
  where?: {
    readonly inventory: LoadedInventory;
    readonly nodes: ScenarioDocument["cluster"]["nodes"];
  },
): Promise<MessageCosts> {
  const document = scenarioSchema.parse({
    name: "overheads",
    pipelines: { "no-op": { tasks: { "no-op": { model: "no-op" } } } },
    models: {
      "no-op": {
        service: { distribution: "deterministic", meanMs: 0.001 },
        implementation: { name: "no-op" },
      },
    },
    cluster: { replicas: { "no-op": 1 }, nodes: where?.nodes },
    workload: {
      arrivals: "poisson",
      ratePerS: RATE_PER_S,
      durationS: WARMUP_S + seconds,
      warmupS: WARMUP_S,
    },
  });
  const payloads = contents.map(({ rawInputContents = [] }) =>
    payloadRequest(Buffer.concat(rawInputContents)),
  );
  const inputs = { profiles: {}, traces: {} };
  const seed = "calibration/overheads";
  const options = { document, inputs, backend: "onnx", seed, inventory: where?.inventory } as const;
  const { overheads } = await singleRun(options, () => payloads);
  if (overheads.clientRoundTripUs.length === 0 || overheads.workerRoundTripUs.length === 0) {
    throw new Fault("unhealthy", "no request of the overhead measurement was answered");
  }
  return messageCosts(overheads);
}
