/**
 * Calibration of a scenario on this machine, or on those of an inventory:
 *
 *   start a worker per model and kind of device → real inputs by walking the pipelines → service times by
 *   batch size → contention between busy workers → links and gateway (no-op) → both under load (pilot)
 *   → profiles with provenance
 */
import type { LoadedInventory } from "../core/inventory/read-inventory.ts";
import { poolsOf, tasksToPlace } from "../core/placement.ts";
import type { OverheadProfile, Profile } from "../core/profile.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { maxBatchOf } from "../schedulers/create-scheduler.ts";
import type { OwnSchedulers } from "../schedulers/own-scheduler.ts";
import {
  type CollectedInputs,
  type ContentsSource,
  collectInputs,
  contentsFor,
} from "./contents.ts";
import { type HostLoad, loadMeter, loadReasons, percent, sampleHost } from "./host.ts";
import {
  type BusyWorker,
  measureContention,
  measureService,
  type ServiceSamples,
  type ServiceTarget,
} from "./measure-service.ts";
import { measureLinks } from "./message-costs.ts";
import { type JobInput, type MeasuringHosts, type ModelWorker, openHosts } from "./model-worker.ts";
import { measureOverheads, type PilotInput, type PilotResult, runPilot } from "./pilot.ts";
import { equalShareMeans, MAX_QUANTILES, measuredHere } from "./profiles.ts";

interface CalibrationOptions {
  readonly source: ContentsSource;
  /** Where the paths of models start; default: the current folder. */
  readonly folder?: string | undefined;
  readonly inventory?: LoadedInventory | undefined;
  readonly precision: number;
  readonly own?: OwnSchedulers | undefined;
  /** Bound on the measurement of service times, seconds in all. */
  readonly maxSeconds: number;
  /** Bound on the pilot, seconds, but for one round through the contents; default: none. */
  readonly maxPilotSeconds?: number | undefined;
  /** Busy workers up to which contention is measured; 1: not at all. */
  readonly contentionLevels: number;
  /** Today, ISO 8601. */
  readonly date: string;
  readonly onStep?: (step: string) => void;
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
}

/** Half width of a mean's 95% interval, as a share of it: the usual tolerance of a judgement. */
const UNSURE = 0.05;

const CONTENTION_ROUNDS = 3;
const CONTENTION_SECONDS = 0.7;
const OVERHEAD_SECONDS = 6;
/** A pilot measures messages anew, under load: the no-op then is a start for its simulation. */
const OVERHEAD_SECONDS_BEFORE_PILOT = 2;
/** A profile keeps the means of single inputs up to so many. */
const MOST_INPUTS = 256;

export async function calibrate(
  document: ScenarioDocument,
  options: CalibrationOptions,
): Promise<Calibration> {
  const { folder, inventory, onStep = () => undefined } = options;
  const models = Object.keys(document.models).filter(
    (name) => document.models[name].implementation,
  );
  const look = loadMeter(sampleHost);
  const hosts = await openHosts({ document, folder, inventory, onEvent: onStep });
  const measured: MeasuredModel[] = [];
  const workers = new Map<string, ModelWorker>();
  const extra = new Map<string, ModelWorker>();
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
    const contents = await contentsFor(document, workers, options.source);
    const collected = await collectInputs(document, workers, contents);
    const inputs = inputsByModel(document, collected);
    onStep("measuring service times");
    const samples = await measureModels(document, measured, inputs, options);
    onStep("measuring contention between busy workers");
    const contention = await contentionOf(document, hosts, { workers, extra, inputs }, options);
    await stopAll(extra.values());
    extra.clear();
    const noOps = await hosts.startNoOps();
    if (noOps.size > 0) onStep("measuring the links");
    const links = await measureLinks(noOps).finally(() => stopAll(noOps.values()));
    onStep("measuring gateway and RPC cost");
    const hasPilot = models.length === Object.keys(document.models).length;
    const overheads = await measureOverheads(
      Object.values(contents).flat(),
      hasPilot ? OVERHEAD_SECONDS_BEFORE_PILOT : OVERHEAD_SECONDS,
      inventory && { inventory, nodes: document.cluster.nodes },
    );
    const deviceProfiles: Record<string, Record<string, Profile>> = {};
    for (const [i, { model, device, worker }] of measured.entries()) {
      const profile = profileOf(worker, samples[i], options);
      deviceProfiles[model] = { ...deviceProfiles[model], [device]: profile };
    }
    const overheadProfile: OverheadProfile = {
      schema: "tandem/overhead@1",
      provenance: measuredHere("gateway, RPC and a no-op task", "Node", DEVICE, options.date),
      ...overheads,
      contention,
      ...(noOps.size === 0 ? {} : { links }),
    };
    const branchShares = sharesOf(document, collected);
    const known = { deviceProfiles, overheadProfile, document, branchShares, contents };
    const found = hasPilot
      ? await underLoad(known, { workers, inputs }, options)
      : { ...known, doubts: [] };
    const { doubts, ...told } = withDoubts(found, look(), inventory?.inventory.kind ?? "local");
    const ofFirst = Object.entries(told.deviceProfiles).map(([model, byDevice]) => [
      model,
      Object.values(byDevice)[0],
    ]);
    return {
      profiles: Object.fromEntries(ofFirst),
      ...(inventory === undefined ? {} : { deviceProfiles: told.deviceProfiles }),
      overheadProfile: told.overheadProfile,
      ...{ branchShares, doubts },
    };
  } finally {
    await stopAll([...measured.map(({ worker }) => worker), ...extra.values()]);
    await hosts.close();
  }
}

function underLoad(
  known: Omit<PilotInput, "pace" | "folder">,
  { workers, inputs }: Pick<RunningWorkers, "workers" | "inputs">,
  { folder, inventory, maxPilotSeconds: maxSeconds, onStep }: CalibrationOptions,
): Promise<PilotResult> {
  onStep?.("a pilot run of the real pipeline");
  const pace = [...workers].map(([model, worker]) => ({
    ...{ model, worker, profile: Object.values(known.deviceProfiles[model])[0] },
    inputs: inputs.get(model) ?? [],
  }));
  const onAgain = (reason: string) => onStep?.(`${reason}; the pilot run again`);
  return runPilot({ ...known, folder, inventory, maxSeconds, pace, onAgain });
}

interface MeasuredModel {
  readonly model: string;
  readonly device: string;
  readonly machine: string;
  readonly worker: ModelWorker;
}

/**
 * Names what speaks against the times: this machine's load meanwhile, the pilot, and means that are known too roughly.
 * Each profile keeps what concerns it, for those who predict by it; machines of another kind than `local` have a load of
 * their own.
 */
export function withDoubts(
  { deviceProfiles, overheadProfile, doubts: ofPilot }: PilotResult,
  load: HostLoad,
  kind = "local",
): PilotResult {
  const ofHost = loadReasons(load);
  const ofServing = [...ofHost, ...ofPilot];
  const doubts = [...ofServing];
  const told: Record<string, Record<string, Profile>> = {};
  for (const [model, byDevice] of Object.entries(deviceProfiles)) {
    told[model] = {};
    for (const [device, profile] of Object.entries(byDevice)) {
      const unsure = unsureTimes(model, profile);
      doubts.push(...unsure);
      told[model][device] = doubted(profile, [
        ...(kind === "local" ? ofHost : []),
        ...ofPilot,
        ...unsure,
      ]);
    }
  }
  return { deviceProfiles: told, overheadProfile: doubted(overheadProfile, ofServing), doubts };
}

function unsureTimes(model: string, { batches }: Profile): string[] {
  return batches
    .filter(({ meanUs, halfWidth95Us }) => halfWidth95Us > UNSURE * meanUs)
    .map(
      ({ batch, meanUs, halfWidth95Us }) =>
        `${model}, batch ${batch}, is known to ±${percent(halfWidth95Us / meanUs)} only`,
    );
}

function doubted<Of extends Profile | OverheadProfile>(profile: Of, doubts: string[]): Of {
  if (doubts.length === 0) return profile;
  return { ...profile, provenance: { ...profile.provenance, doubts } };
}

async function stopAll(workers: Iterable<ModelWorker>): Promise<void> {
  await Promise.all([...workers].map((worker) => worker.stop()));
}

export function inputsByModel(
  document: ScenarioDocument,
  collected: CollectedInputs,
): Map<string, readonly JobInput[]> {
  const inputs = new Map<string, readonly JobInput[]>();
  for (const pipeline of Object.values(document.pipelines)) {
    for (const { task, model } of poolsOf(pipeline.tasks)) {
      const more = collected.inputs.get(task) ?? [];
      inputs.set(model, [...(inputs.get(model) ?? []), ...more]);
    }
  }
  return inputs;
}

/** Samples of each model, in order: machines at the same time, what shares a machine in turn. */
async function measureModels(
  document: ScenarioDocument,
  measured: readonly MeasuredModel[],
  inputs: ReadonlyMap<string, readonly JobInput[]>,
  options: CalibrationOptions,
): Promise<ServiceSamples[][]> {
  const samples: ServiceSamples[][] = measured.map(() => []);
  const machines = [...new Set(measured.map(({ machine }) => machine))];
  const done = machines.map(() => ({ done: 0, total: 0 }));
  await Promise.all(
    machines.map(async (machine, at) => {
      const targets: (ServiceTarget & { readonly of: number })[] = [];
      for (const [of, { model, worker, machine: own }] of measured.entries()) {
        if (own !== machine) continue;
        for (const batch of batchSizes(largestBatch(document, model, options.own))) {
          targets.push({ of, worker, batch, inputs: inputs.get(model) ?? [] });
        }
      }
      const onProgress = (ended: number, total: number): void => {
        done[at] = { done: ended, total };
        const sum = (key: "done" | "total") => done.reduce((all, one) => all + one[key], 0);
        options.onProgress?.(sum("done"), sum("total"));
      };
      const own = await measureService(targets, { ...options, onProgress });
      for (const [i, { of }] of targets.entries()) samples[of].push(own[i]);
    }),
  );
  return samples;
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

interface RunningWorkers {
  /** One for each model. */
  readonly workers: ReadonlyMap<string, ModelWorker>;
  /** Those that are started here. */
  readonly extra: Map<string, ModelWorker>;
  readonly inputs: ReadonlyMap<string, readonly JobInput[]>;
}

/** Workers in the order of the tasks, again and again, up to the level wanted; all on the first model's machine. */
async function contentionOf(
  document: ScenarioDocument,
  hosts: MeasuringHosts,
  { workers, extra, inputs }: RunningWorkers,
  { contentionLevels: levels }: CalibrationOptions,
): Promise<number[]> {
  const machineOf = (model: string): string => hosts.machineOf(hosts.devicesOf(model)[0]);
  const models = tasksToPlace(document)
    .map(({ model }) => model.name)
    .filter((model) => (inputs.get(model) ?? []).length > 0)
    .filter((model, _, [first]) => machineOf(model) === machineOf(first));
  const wanted = Array.from({ length: models.length === 0 ? 0 : levels }, (_, i) => {
    const model = models[i % models.length];
    return { model, key: i < models.length ? model : `${model}#${i}` };
  });
  const missing = wanted.filter(({ key }) => !workers.has(key));
  // All are waited for, also where one fails: what has started is stopped with the others.
  const starts = await Promise.allSettled(
    missing.map(async ({ model, key }) => {
      extra.set(key, await hosts.start(model, hosts.devicesOf(model)[0]));
    }),
  );
  for (const start of starts) if (start.status === "rejected") throw start.reason;
  const busy = wanted.map(({ model, key }): BusyWorker => {
    const worker = (workers.get(key) ?? extra.get(key)) as ModelWorker;
    return { worker, inputs: inputs.get(model) ?? [] };
  });
  return levels <= 1 ? [1] : measureContention(busy, CONTENTION_ROUNDS, CONTENTION_SECONDS);
}

function profileOf(
  { loaded: { provenance: model, cost }, place }: ModelWorker,
  measured: readonly ServiceSamples[],
  options: CalibrationOptions,
): Profile {
  const { files, runtime, provider, source } = model;
  // Only single inputs are called again to find the host's pace.
  const [{ batch, inputMeansUs }] = measured;
  const known = batch === 1 && inputMeansUs !== null && inputMeansUs.length <= MOST_INPUTS;
  return {
    schema: "tandem/profile@1",
    provenance: {
      ...measuredHere(model.name, `${runtime}, ${provider}`, DEVICE, options.date),
      ...place,
      modelFiles: files.map((file) => ({ ...file })),
      source,
    },
    load: { ms: cost.loadMs, memoryMb: cost.memoryBytes / 1e6 },
    ...(known ? { inputMeansUs: [...inputMeansUs] } : {}),
    batches: measured.map(({ batch, samplesUs, meanUs, halfWidth95Us }) => ({
      batch,
      samples: samplesUs.length,
      meanUs,
      halfWidth95Us,
      quantilesUs: equalShareMeans(samplesUs, MAX_QUANTILES),
    })),
  };
}

const DEVICE = "cpu, one thread";

function sharesOf(
  document: ScenarioDocument,
  { ran }: CollectedInputs,
): Readonly<Record<string, number>> {
  const shares: Record<string, number> = {};
  for (const [name, pipeline] of Object.entries(document.pipelines)) {
    for (const [task, { when, after }] of Object.entries(pipeline.tasks)) {
      if (when?.contains === undefined) continue;
      const reached = ran[name].filter((tasks) => after.some((before) => tasks.has(before)));
      const held = reached.filter((tasks) => tasks.has(task));
      shares[`${name}/${task}`] = reached.length === 0 ? 0 : held.length / reached.length;
    }
  }
  return shares;
}
