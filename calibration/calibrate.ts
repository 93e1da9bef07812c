/**
 * Calibration of a scenario on this machine:
 *
 *   start a worker per model → real inputs by walking the pipelines → service times by batch size
 *   → contention between busy workers → gateway and RPC cost (no-op) → both under load (pilot)
 *   → profiles with provenance
 */
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
import { hostLine } from "./host.ts";
import {
  type BusyWorker,
  measureContention,
  measureService,
  type ServiceSamples,
  type ServiceTarget,
} from "./measure-service.ts";
import { equalShareMeans, MAX_QUANTILES } from "./message-costs.ts";
import { type JobInput, ModelWorker } from "./model-worker.ts";
import { measureOverheads, runPilot } from "./pilot.ts";

interface CalibrationOptions {
  readonly source: ContentsSource;
  /** Where the paths of models start; default: the current folder. */
  readonly folder?: string | undefined;
  readonly precision: number;
  /** The scheduler files of the document, loaded. */
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
  /** By model name, for every model with an implementation. */
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly overheadProfile: OverheadProfile;
  /** Measured share of requests for which each conditional task ran, by `pipeline/task`. */
  readonly branchShares: Readonly<Record<string, number>>;
}

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
  const models = Object.entries(document.models).filter(([, model]) => model.implementation);
  const workers = new Map<string, ModelWorker>();
  try {
    options.onStep?.("starting a worker for each model");
    for (const [name, model] of models)
      workers.set(name, await ModelWorker.start(name, model, options.folder));
    options.onStep?.("running requests through the pipelines");
    const contents = await contentsFor(document, workers, options.source);
    const collected = await collectInputs(document, workers, contents);
    const inputs = inputsByModel(document, collected);
    options.onStep?.("measuring service times");
    const samples = await measureModels(document, workers, inputs, options);
    options.onStep?.("measuring contention between busy workers");
    const contention = await contentionOf(document, workers, inputs, options);
    const loaded = new Map([...workers].map(([name, worker]) => [name, worker.loaded]));
    const extra = new Map([...workers].filter(([key]) => document.models[key] === undefined));
    for (const key of extra.keys()) workers.delete(key);
    await stopAll(extra);
    options.onStep?.("measuring gateway and RPC cost");
    const hasPilot = models.length === Object.keys(document.models).length;
    const overheads = await measureOverheads(
      Object.values(contents).flat(),
      hasPilot ? OVERHEAD_SECONDS_BEFORE_PILOT : OVERHEAD_SECONDS,
    );
    const profiles: Record<string, Profile> = {};
    for (const [name] of models) {
      const measured = samples.get(name);
      const model = loaded.get(name);
      if (measured === undefined || model === undefined) continue;
      profiles[name] = profileOf(model, measured, options);
    }
    const overheadProfile: OverheadProfile = {
      schema: "tandem/overhead@1",
      provenance: provenance("gateway, RPC and a no-op task", "Node", options),
      ...overheads,
      contention,
    };
    const shares = branchShares(document, collected);
    if (!hasPilot) return { profiles, overheadProfile, branchShares: shares };
    options.onStep?.("a pilot run of the real pipeline");
    const { folder, maxPilotSeconds: maxSeconds } = options;
    const measured = { document, profiles, overheadProfile, branchShares: shares };
    const pace = [...workers].map(([model, worker]) => ({
      ...{ model, worker, profile: profiles[model] },
      inputs: inputs.get(model) ?? [],
    }));
    const onAgain = (reason: string) => options.onStep?.(`${reason}; the pilot run again`);
    const pilot = await runPilot({ ...measured, contents, folder, maxSeconds, pace, onAgain });
    return { ...pilot, branchShares: shares };
  } finally {
    await stopAll(workers);
  }
}

async function stopAll(workers: Map<string, ModelWorker>): Promise<void> {
  await Promise.all([...workers.values()].map((worker) => worker.stop()));
  workers.clear();
}

/** The inputs that each model's tasks received, by model name. */
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

async function measureModels(
  document: ScenarioDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  inputs: ReadonlyMap<string, readonly JobInput[]>,
  options: CalibrationOptions,
): Promise<Map<string, ServiceSamples[]>> {
  const targets: ServiceTarget[] = [];
  for (const [model, worker] of workers) {
    for (const batch of batchSizes(largestBatch(document, model, options.own))) {
      targets.push({ worker, batch, inputs: inputs.get(model) ?? [] });
    }
  }
  const samples = await measureService(targets, options);
  const byModel = new Map<string, ServiceSamples[]>();
  for (const [i, { worker }] of targets.entries()) {
    byModel.set(worker.model, [...(byModel.get(worker.model) ?? []), samples[i]]);
  }
  return byModel;
}

/** The largest batch that the scenario's scheduler may send to a model. */
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

/** 1, 2, 4, ... and the largest itself. */
function batchSizes(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < largest; size *= 2) sizes.push(size);
  return [...sizes, largest];
}

/** Workers in the order of the tasks, again and again, up to the level wanted. */
async function contentionOf(
  document: ScenarioDocument,
  running: Map<string, ModelWorker>,
  inputs: ReadonlyMap<string, readonly JobInput[]>,
  { contentionLevels: levels, folder }: CalibrationOptions,
): Promise<number[]> {
  const models = tasksToPlace(document)
    .map(({ model }) => model.name)
    .filter((model) => (inputs.get(model) ?? []).length > 0);
  const wanted = Array.from({ length: models.length === 0 ? 0 : levels }, (_, i) => {
    const model = models[i % models.length];
    return { model, key: i < models.length ? model : `${model}#${i}` };
  });
  const missing = wanted.filter(({ key }) => !running.has(key));
  // All are waited for, also where one fails: what has started is stopped with the others.
  const starts = await Promise.allSettled(
    missing.map(async ({ model, key }) => {
      running.set(key, await ModelWorker.start(model, document.models[model], folder));
    }),
  );
  for (const start of starts) if (start.status === "rejected") throw start.reason;
  const busy = wanted.map(({ model, key }): BusyWorker => {
    return { worker: running.get(key) as ModelWorker, inputs: inputs.get(model) ?? [] };
  });
  return levels <= 1 ? [1] : measureContention(busy, CONTENTION_ROUNDS, CONTENTION_SECONDS);
}

function profileOf(
  { provenance: model, cost }: ModelWorker["loaded"],
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
      ...provenance(model.name, `${runtime}, ${provider}`, options),
      device: provider === "cpu" ? "cpu, one thread" : provider,
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

function provenance(
  model: string,
  runtime: string,
  { date }: CalibrationOptions,
): Profile["provenance"] {
  return {
    kind: "measured",
    model,
    modelFiles: [],
    device: "cpu, one thread",
    host: hostLine(),
    runtime,
    date,
  };
}

function branchShares(
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
