/**
 * Calibration of a scenario as an experiment, on this machine or on those of an inventory:
 *
 *   start a worker for each model and kind of device → real inputs by walking the pipelines → links
 *   → rounds (experiment.ts) until each figure is precise, or the time is over → profiles with their rounds
 */

import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { estimate, medianOf } from "../engine/statistics/estimate.ts";
import { poolsOf } from "../scenario/compile/placement.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import { namesAfter } from "../scenario/schema/edges.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { maxBatchOf } from "../schedulers/create-scheduler.ts";
import type { OwnSchedulers } from "../schedulers/own-scheduler.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { busyWorkers, inputsByModel } from "./busy-workers.ts";
import {
  type CollectedInputs,
  type ContentsSource,
  collectInputs,
  contentsCount,
  contentsFor,
  representative,
} from "./contents.ts";
import { type CalibratedSides, withDoubts } from "./doubts.ts";
import {
  type CalibratedFigure,
  Experiment,
  type MeasuredTimes,
  SEED,
  type Target,
} from "./experiment.ts";
import { percent } from "./host.ts";
import { lightRatePerS } from "./in-place.ts";
import { busiestTaskUs, inPlaceDocument } from "./in-place-document.ts";
import { measureLinks, onNearestLink } from "./message-costs.ts";
import { type JobInput, type ModelWorker, openHosts } from "./model-worker.ts";
import { measureOverheads } from "./no-op-overheads.ts";
import { runHere } from "./own-processes.ts";
import { PROBE } from "./pace-probe.ts";
import { equalShareMeans, MAX_QUANTILES, measuredHere } from "./profiles.ts";

interface CalibrationOptions {
  readonly source: ContentsSource;
  /** Where the paths of models start; default: the current folder. */
  readonly folder?: string | undefined;
  readonly inventory?: LoadedInventory | undefined;
  /** Wanted half width of the 95% interval of each figure, as a share of its mean. */
  readonly precision: number;
  readonly own?: OwnSchedulers | undefined;
  /** Bound on the rounds, seconds in all. */
  readonly maxSeconds: number;
  /** Busy workers up to which contention is measured; 1: not at all. */
  readonly contentionLevels: number;
  /** Today, ISO 8601. */
  readonly date: string;
  readonly onStep?: (step: string) => void;
  /** Seconds of the rounds. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Calibration {
  /** By model name, for every model with an implementation; of several kinds of device, on the first. */
  readonly profiles: Readonly<Record<string, Profile>>;
  /** By model name and kind of device; absent without an inventory. */
  readonly deviceProfiles?: Readonly<Record<string, Readonly<Record<string, Profile>>>>;
  readonly overheadProfile: OverheadProfile;
  /** Measured share of requests for which each conditional task ran, by `pipeline/task`. */
  readonly branchShares: Readonly<Record<string, number>>;
  /** Why the times may not hold; empty: nothing spoke against them. */
  readonly doubts: readonly string[];
  readonly rounds: number;
  /** Least precise first. */
  readonly figures: readonly CalibratedFigure[];
  /** Seconds of rounds that would reach the wanted precision, about; null where it was reached. */
  readonly wantedS: number | null;
}

const OVERHEAD_SECONDS = 6;
/** A profile keeps the means of single inputs up to so many. */
const MOST_INPUTS = 256;
/** A longer calibration is no way out. */
const MOST_WANTED_S = 3600;

export async function calibrate(
  document: ScenarioDocument,
  options: CalibrationOptions,
): Promise<Calibration> {
  const { folder, inventory, contentionLevels: levels, onStep = () => undefined } = options;
  const kind = inventory?.inventory.kind ?? "local";
  const models = Object.keys(document.models).filter(
    (name) => document.models[name].implementation,
  );
  const hosts = await openHosts({ document, folder, inventory, onEvent: onStep });
  const measured: MeasuredModel[] = [];
  const workers = new Map<string, ModelWorker>();
  const extra = new Map<string, ModelWorker>();
  let deployment: Deployment | null = null;
  try {
    onStep("starting a worker for each model");
    for (const model of models) {
      for (const device of hosts.devicesOf(model)) {
        const worker = await hosts.start(model, device);
        measured.push({ model, device, machine: hosts.machineOf(device), worker });
        if (!workers.has(model)) workers.set(model, worker);
      }
    }
    onStep("running requests through the pipelines");
    const given = await contentsFor(document, workers, options.source);
    const walked = await collectInputs(document, workers, given);
    const branchShares = sharesOf(document, walked);
    const assumed = timesOf(document, walked);
    const ratePerS = lightRatePerS(busiestTaskUs(document, assumed));
    const { contents, collected } = representative(given, walked, contentsCount(ratePerS));
    const inputs = inputsByModel(document, collected);
    const noOps = await hosts.startNoOps();
    if (noOps.size > 0) onStep("measuring the links");
    const measuredLinks = await measureLinks(noOps).finally(() => stopAll(noOps.values()));
    const links = noOps.size === 0 ? undefined : measuredLinks;
    const busy = await busyWorkers(document, hosts, { workers, extra, inputs }, levels);
    const placed: Placed = {
      document: inPlaceDocument({ document, assumed, inventory, branchShares }),
      inputs: { profiles: {}, traces: {}, folder },
    };
    if (models.length === Object.keys(document.models).length) {
      onStep("starting the pipeline");
      deployment = await startDeployment({ ...placed, backend: "real", inventory, seed: SEED });
    }
    const place = deployment && { ...placed, deployment, contents, ratePerS };
    const targets = targetsOf(document, measured, inputs, options);
    const experiment = new Experiment(targets, busy, place);
    onStep("warming up");
    await experiment.warmUp();
    onStep("measuring in rounds: models alone, with busy neighbours, and in the pipeline");
    const seconds = await experiment.run({
      ...options,
      here: kind === "local" ? runHere(document, "real", deployment?.id) : null,
      onRound: roundTeller(onStep),
      onSetAside: (reason) => onStep(`a round is set aside: ${reason}`),
    });
    const parts = { links, payloads: Object.values(contents).flat(), options };
    const overheadProfile = await overheadsOf(document, experiment, place, parts);
    const found = {
      deviceProfiles: profilesOf(measured, experiment, options),
      overheadProfile,
      doubts: experiment.doubts(),
    };
    const told = withDoubts(found, experiment.hostDoubts(), kind);
    const figures = experiment.figures();
    return {
      ...bothForms(told, inventory),
      branchShares,
      rounds: experiment.rounds,
      figures,
      wantedS: wantedSeconds(figures, options.precision, seconds),
    };
  } finally {
    await deployment?.stop();
    await stopAll([...measured.map(({ worker }) => worker), ...extra.values()]);
    await hosts.close();
  }
}

interface MeasuredModel extends Pick<Target, "model" | "device" | "machine"> {
  readonly worker: ModelWorker;
}

interface OverheadParts {
  readonly links: OverheadProfile["links"];
  readonly payloads: readonly RequestContents[];
  readonly options: CalibrationOptions;
}

/** Costs of the pipeline in place, or of a no-op where it cannot run. */
async function overheadsOf(
  { cluster }: ScenarioDocument,
  experiment: Experiment,
  place: (Placed & { readonly deployment: Deployment }) | null,
  { links, payloads, options: { inventory, date } }: OverheadParts,
): Promise<OverheadProfile> {
  const where = inventory && { inventory, nodes: cluster.nodes };
  const costs =
    place === null
      ? await measureOverheads(payloads, OVERHEAD_SECONDS, where)
      : onNearestLink(experiment.messageCosts(), links, place.document, place.inputs);
  return {
    schema: "tandem/overhead@1",
    provenance: measuredHere("gateway, RPC and neighbours", "Node", DEVICE, date),
    ...costs,
    contention: experiment.contention(),
    ...(links === undefined ? {} : { links }),
    ...(place === null ? {} : { rounds: experiment.costRounds() }),
  };
}

/** Profiles by model, and by kind of device where an inventory has several. */
function bothForms(
  { deviceProfiles, ...told }: CalibratedSides,
  inventory: LoadedInventory | undefined,
): Pick<Calibration, "profiles" | "deviceProfiles" | "overheadProfile" | "doubts"> {
  const ofFirst = Object.entries(deviceProfiles).map(([model, byDevice]) => [
    model,
    Object.values(byDevice)[0],
  ]);
  return {
    profiles: Object.fromEntries(ofFirst),
    ...(inventory === undefined ? {} : { deviceProfiles }),
    ...told,
  };
}

interface Placed {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
}

function roundTeller(onStep: (step: string) => void) {
  return (round: number, { name, relativeHalfWidth95 }: CalibratedFigure): void => {
    const isKnown = Number.isFinite(relativeHalfWidth95);
    const least = `: ${name} is known to ±${percent(relativeHalfWidth95)}, the others better`;
    onStep(`round ${round}${isKnown ? least : ""}`);
  };
}

/** By model and kind of device. */
function profilesOf(
  measured: readonly MeasuredModel[],
  experiment: Experiment,
  options: CalibrationOptions,
): Record<string, Record<string, Profile>> {
  const profiles: Record<string, Record<string, Profile>> = {};
  for (const { model, device, worker } of measured) {
    const profile = profileOf(worker, experiment.measuredOf(model, device), options);
    profiles[model] = { ...profiles[model], [device]: profile };
  }
  return profiles;
}

/** As if widths fell with the square root of the time. */
function wantedSeconds(
  [least]: readonly CalibratedFigure[],
  precision: number,
  tookS: number,
): number | null {
  if (least === undefined || least.relativeHalfWidth95 <= precision) return null;
  const seconds = tookS * (least.relativeHalfWidth95 / precision) ** 2;
  return Math.min(MOST_WANTED_S, 10 * Math.ceil(seconds / 10));
}

/** Median time of each model in the walk through the pipelines, µs. */
function timesOf(document: ScenarioDocument, { servedUs }: CollectedInputs): Map<string, number> {
  const times = new Map<string, number[]>();
  for (const { tasks } of Object.values(document.pipelines)) {
    for (const { task, model } of poolsOf(tasks)) {
      times.set(model, [...(times.get(model) ?? []), ...(servedUs.get(task) ?? [])]);
    }
  }
  return new Map(
    [...times].flatMap(([model, us]) => (us.length === 0 ? [] : [[model, medianOf(us)] as const])),
  );
}

function targetsOf(
  document: ScenarioDocument,
  measured: readonly MeasuredModel[],
  inputs: ReadonlyMap<string, readonly JobInput[]>,
  { own, inventory }: CalibrationOptions,
): Target[] {
  const isOnly = inventory === undefined;
  return measured.flatMap(({ worker, ...place }) =>
    batchSizes(largestBatch(document, place.model, own)).map((batch) => {
      return { ...place, isOnly, worker, batch, inputs: inputs.get(place.model) ?? [] };
    }),
  );
}

async function stopAll(workers: Iterable<ModelWorker>): Promise<void> {
  await Promise.all([...workers].map((worker) => worker.stop()));
}

function largestBatch(
  document: ScenarioDocument,
  model: string,
  own: OwnSchedulers | undefined,
): number {
  const tasks = Object.values(document.pipelines).flatMap((pipeline) =>
    poolsOf(pipeline.tasks).flatMap((one) => (one.model === model ? [one] : [])),
  );
  return Math.max(
    ...tasks.map(({ pool, task }) => maxBatchOf(document.scheduler, pool, task, own)),
    1,
  );
}

function batchSizes(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < largest; size *= 2) sizes.push(size);
  return [...sizes, largest];
}

function profileOf(
  { loaded: { provenance: model, cost }, place }: ModelWorker,
  { alone, rounds }: MeasuredTimes,
  options: CalibrationOptions,
): Profile {
  const { files, runtime, provider, source } = model;
  const [first] = alone;
  const inputs = first.byInput();
  const areKnown = first.target.batch === 1 && inputs.length <= MOST_INPUTS;
  return {
    schema: "tandem/profile@2",
    kind: "service",
    provenance: {
      ...measuredHere(model.name, `${runtime}, ${provider}`, DEVICE, options.date),
      ...place,
      modelFiles: files.map((file) => ({ ...file })),
      source,
    },
    load: { ms: cost.loadMs, memoryMb: cost.memoryBytes / 1e6 },
    batches: alone.map((one) => ({
      batch: one.target.batch,
      samples: one.samplesUs.length,
      meanUs: one.meanUs(),
      halfWidth95Us: estimate(one.roundMeansUs()).halfWidth95,
      quantilesUs: equalShareMeans(one.samplesUs, MAX_QUANTILES),
    })),
    ...(areKnown ? { inputs: inputs.filter(({ calls }) => calls > 0) } : {}),
    probe: PROBE,
    rounds,
  };
}

const DEVICE = "cpu, one thread";

function sharesOf(
  document: ScenarioDocument,
  { ran }: CollectedInputs,
): Readonly<Record<string, number>> {
  const shares: Record<string, number> = {};
  for (const [name, pipeline] of Object.entries(document.pipelines)) {
    for (const [task, entry] of Object.entries(pipeline.tasks)) {
      if (entry.when?.contains === undefined) continue;
      const after = namesAfter(entry);
      const reached = ran[name].filter((tasks) => after.some((before) => tasks.has(before)));
      const held = reached.filter((tasks) => tasks.has(task));
      shares[`${name}/${task}`] = reached.length === 0 ? 0 : held.length / reached.length;
    }
  }
  return shares;
}
