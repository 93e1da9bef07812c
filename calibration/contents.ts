/**
 * Contents of requests by pipeline: pictures where it takes a payload; tensors where its models
 * take them, given in a file or drawn at random in the models' shapes. Walked once through the
 * pipeline, they give real inputs for every task, as in production, and the share of each branch. A
 * run sends each content where the draws say that a request takes its branches.
 */

import { isPayload, pipelineInputs } from "../cluster/front/pipeline-models.ts";
import {
  type DataTensor,
  payloadRequest,
  randomTensors,
  rawRequest,
  requestsOfFile,
} from "../cluster/load/tensor-inputs.ts";
import type { ModelMetadata, TensorMetadata } from "../cluster/protocol/hosted-models.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { asOwn, elementsOf, rawTensor } from "../cluster/protocol/tensors.ts";
import { tasksBefore } from "../cluster/run/batch.ts";
import type { JobOutput } from "../cluster/worker/backend.ts";
import { Fault } from "../engine/basics/fault.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { RequestDraws, WHEN_HOLDS } from "../engine/requests/draws.ts";
import type { System } from "../engine/system/system.ts";
import { drawScenes, loadImages } from "../models/scenes.ts";
import type { Tensor } from "../models/tensor.ts";
import { variantsOf } from "../scenario/compile/placement.ts";
import { namesAfter } from "../scenario/schema/edges.ts";
import type { PipelineDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { JobInput, ModelWorker, WorkerOutput } from "./model-worker.ts";

/** By the name of a pipeline; none of them empty. */
export type ContentsByPipeline = Readonly<Record<string, readonly RequestContents[]>>;

export interface ContentsSource {
  /** Folder of photographs; default: drawn scenes. */
  readonly images?: string | undefined;
  /** File of tensors in the protocol's JSON; default: at random. */
  readonly inputs?: string | undefined;
}

/** Requests of tensors at random: their values seldom matter to the time that a model takes. */
const RANDOM = 8;

/** `workers` by model name. Throws a Fault where pictures or tensors cannot be read. */
export async function contentsFor(
  document: ScenarioDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  source: ContentsSource,
): Promise<ContentsByPipeline> {
  const metadata = new Map<string, ModelMetadata>();
  for (const [model, worker] of workers) metadata.set(model, await worker.describe());
  const given = source.inputs === undefined ? null : requestsOfFile(source.inputs);
  let pictures: readonly Uint8Array[] | null = null;
  const contents: Record<string, readonly RequestContents[]> = {};
  for (const [name, pipeline] of Object.entries(document.pipelines)) {
    const inputs = inputsOf(pipeline, metadata);
    const tensors = inputs.filter((input) => !isPayload(input));
    const sets = given ?? randomSets(tensors, `${document.run.seed}/${name}`);
    if (!takesPictures(inputs)) {
      contents[name] = sets.map(rawRequest);
      continue;
    }
    pictures ??= await picturesFor(document, source.images);
    contents[name] = pictures.map((picture, i) => {
      const payload = payloadRequest(picture);
      return inputs.every(isPayload) || tensors.length === inputs.length
        ? payload
        : together(payload, rawRequest(sets[i % sets.length]));
    });
  }
  return contents;
}

/** A model of one input of bytes takes a picture as it is. */
function takesPictures(inputs: readonly TensorMetadata[]): boolean {
  return inputs.some(isPayload) || (inputs.length === 1 && inputs[0].datatype === "BYTES");
}

function inputsOf(
  { tasks }: PipelineDocument,
  metadata: ReadonlyMap<string, ModelMetadata>,
): readonly TensorMetadata[] {
  const names = Object.keys(tasks);
  return pipelineInputs(
    names.map((name) => ({
      predecessors: namesAfter(tasks[name]).map((one) => names.indexOf(one)),
    })),
    names.map((name) => metadata.get(variantsOf(name, tasks[name])[0].model)),
  );
}

function randomSets(
  inputs: readonly TensorMetadata[],
  seed: string,
): readonly (readonly DataTensor[])[] {
  return Array.from({ length: RANDOM }, (_, i) => randomTensors(inputs, `${seed}/${i}`));
}

function together(one: RequestContents, other: RequestContents): RequestContents {
  return {
    inputs: [...one.inputs, ...other.inputs],
    rawInputContents: [...(one.rawInputContents ?? []), ...(other.rawInputContents ?? [])],
  };
}

/** Drawn scenes in a set: enough variety for a profile, few enough to draw in a second or two. */
const SCENES = 48;

/** Encoded images. Throws Fault when the folder is missing, empty or holds no image. */
export async function picturesFor(
  document: ScenarioDocument,
  imagesFolder: string | undefined,
): Promise<readonly Uint8Array[]> {
  if (imagesFolder !== undefined) {
    return (await loadImages(imagesFolder)).map((image) => image.bytes);
  }
  const scenes = await drawScenes({
    count: SCENES,
    carShare: carShare(document),
    seed: document.run.seed,
  });
  return scenes.map((scene) => scene.png);
}

/** The probability of the first condition on `car`; a half when there is none. */
function carShare(document: ScenarioDocument): number {
  for (const pipeline of Object.values(document.pipelines)) {
    for (const { when } of Object.values(pipeline.tasks)) {
      if (when?.contains === "car") return when.probability;
    }
  }
  return 0.5;
}

export interface KnownContents {
  readonly contents: RequestContents;
  readonly ran: ReadonlySet<string>;
}

/**
 * Contents of requests 0 .. count − 1, each drawn from those that have taken the branches which its draws give it: a
 * prediction draws times the same way, and contents in turn vary less from request to request, so that less waits at
 * high load (Pollaczek and Khinchin's formula has the variance). `known` is by pipeline.
 */
export function matchContents(
  system: System,
  seed: string,
  count: number,
  known: Readonly<Record<string, readonly KnownContents[]>>,
): RequestContents[] {
  const draws = new RequestDraws(system, seed);
  const flags = new Uint8Array(system.stride);
  const variates = new Float64Array(system.stride);
  const groups = system.pipelines.map(({ name, tasks }) => groupByBranches(known[name], tasks));
  const chosen = new RandomStream(seed, "contents");
  return Array.from({ length: count }, () => {
    const pipeline = draws.pipeline();
    draws.draw(pipeline, 0, flags, variates);
    const { name, tasks } = system.pipelines[pipeline];
    const wanted = tasks
      .filter((task, i) => task.whenContains !== null && (flags[i] & WHEN_HOLDS) !== 0)
      .map((task) => task.name)
      .join("+");
    const candidates = groups[pipeline].get(wanted) ?? known[name];
    return candidates[chosen.integer(candidates.length)].contents;
  });
}

function groupByBranches(
  known: readonly KnownContents[],
  tasks: System["pipelines"][number]["tasks"],
): Map<string, KnownContents[]> {
  const conditional = tasks.flatMap((task) => (task.whenContains === null ? [] : [task.name]));
  const groups = new Map<string, KnownContents[]>();
  for (const entry of known) {
    const key = conditional.filter((task) => entry.ran.has(task)).join("+");
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return groups;
}

export interface CollectedInputs {
  /** By task, in the order of the contents that reached it. */
  readonly inputs: ReadonlyMap<string, readonly JobInput[]>;
  /** The times that these took, µs. */
  readonly servedUs: ReadonlyMap<string, readonly number[]>;
  /** Tasks that ran for each of a pipeline's contents: ran[pipeline][i] holds task names. */
  readonly ran: Readonly<Record<string, readonly ReadonlySet<string>[]>>;
}

const NO_PAYLOAD = new Uint8Array(0);

/**
 * Sends each content through its pipeline once: each task's real outputs become the inputs of the
 * tasks after it, and real labels decide the branches. `workers` by model name.
 * Throws Fault("invalid-input") for contents that a model cannot read.
 */
export async function collectInputs(
  document: ScenarioDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  contents: ContentsByPipeline,
): Promise<CollectedInputs> {
  const inputs = new Map<string, JobInput[]>();
  const servedUs = new Map<string, number[]>();
  const ran: Record<string, ReadonlySet<string>[]> = {};
  for (const [name, pipeline] of Object.entries(document.pipelines)) {
    ran[name] = [];
    for (const one of contents[name]) {
      ran[name].push(await walk(pipeline, workers, one, { inputs, servedUs }));
    }
  }
  return { inputs, servedUs, ran };
}

/** How many contents are called again and again: fewer inputs, often, tell noise from inputs; fewest of slow models. */
export function contentsCount(lightPerS: number): number {
  if (lightPerS >= 2) return 16;
  return lightPerS >= 0.5 ? 8 : 6;
}

/**
 * About `count` of each pipeline's contents: as many of each set of branches as it has among all, at least one; with
 * what was collected of them.
 */
export function representative(
  contents: ContentsByPipeline,
  { inputs, servedUs, ran }: CollectedInputs,
  count: number,
): { readonly contents: ContentsByPipeline; readonly collected: CollectedInputs } {
  const kept: Record<string, readonly RequestContents[]> = {};
  const keptRan: Record<string, readonly ReadonlySet<string>[]> = {};
  const keptInputs = new Map<string, JobInput[]>();
  const keptUs = new Map<string, number[]>();
  for (const [name, all] of Object.entries(contents)) {
    const chosen = chosenOf(ran[name], count);
    kept[name] = all.filter((_, i) => chosen.has(i));
    keptRan[name] = ran[name].filter((_, i) => chosen.has(i));
    const places = new Map<string, number>();
    for (const [i, tasks] of ran[name].entries()) {
      for (const task of tasks) {
        const place = places.get(task) ?? 0;
        places.set(task, place + 1);
        if (!chosen.has(i)) continue;
        push(keptInputs, task, inputs.get(task)?.[place]);
        push(keptUs, task, servedUs.get(task)?.[place]);
      }
    }
  }
  return { contents: kept, collected: { inputs: keptInputs, servedUs: keptUs, ran: keptRan } };
}

function chosenOf(ran: readonly ReadonlySet<string>[], count: number): ReadonlySet<number> {
  const groups = new Map<string, number[]>();
  for (const [i, tasks] of ran.entries()) push(groups, [...tasks].join("+"), i);
  const share = Math.min(1, count / ran.length);
  return new Set(
    [...groups.values()].flatMap((group) => {
      const wanted = Math.max(1, Math.round(share * group.length));
      return Array.from(
        { length: wanted },
        (_, k) => group[Math.floor((k * group.length) / wanted)],
      );
    }),
  );
}

function push<T>(lists: Map<string, T[]>, key: string, value: T | undefined): void {
  if (value === undefined) return;
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** One request through one pipeline; returns the tasks that ran. */
async function walk(
  { tasks }: PipelineDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  contents: RequestContents,
  { inputs, servedUs }: { inputs: Map<string, JobInput[]>; servedUs: Map<string, number[]> },
): Promise<ReadonlySet<string>> {
  const { payload, tensors } = partsOf(contents);
  const names = Object.keys(tasks);
  const numbered = names.map((name) => ({
    predecessors: namesAfter(tasks[name]).map((one) => names.indexOf(one)),
  }));
  const outputs: Record<string, WorkerOutput> = {};
  for (const task of inTopologicalOrder(tasks)) {
    const { when } = tasks[task];
    const after = namesAfter(tasks[task]);
    // The first variant stands for all: they take the same inputs.
    const [{ model }] = variantsOf(task, tasks[task]);
    const ready = after.filter((name) => outputs[name] !== undefined);
    if (after.length > 0 && ready.length === 0) continue;
    const wanted = when?.contains;
    if (wanted !== undefined && !ready.some((name) => hasLabel(outputs[name].told, wanted)))
      continue;
    const worker = workers.get(model);
    if (worker === undefined) continue;
    const before = tasksBefore(numbered, names.indexOf(task))
      .map((one) => names[one])
      .filter((name) => outputs[name] !== undefined);
    const input: JobInput = {
      payload,
      upstream: JSON.stringify(
        Object.fromEntries(before.map((name) => [name, outputs[name].told])),
      ),
      tensors: {
        ...asOwn(tensors),
        ...Object.fromEntries(before.map((name) => [name, outputs[name].tensors])),
      },
    };
    const { outputs: answers, serviceUs } = await worker.call([input]);
    const [output] = answers;
    if ("error" in output.told) {
      throw new Fault(
        "invalid-input",
        `model ${model} cannot read an input: ${output.told.error}`,
        {
          hint: "take the file that is no image out of the folder, or give tensors of its shapes with --inputs",
        },
      );
    }
    outputs[task] = output;
    push(inputs, task, input);
    push(servedUs, task, serviceUs);
  }
  return new Set(Object.keys(outputs));
}

/** As the gateway takes a request apart: its payload, and the tensors that it came with. */
function partsOf({ inputs, rawInputContents = [] }: RequestContents): {
  readonly payload: Uint8Array;
  readonly tensors: readonly Tensor[];
} {
  const tensors: Tensor[] = [];
  inputs.forEach((input, i) => {
    if (!isPayload(input)) tensors.push(rawTensor(input, rawInputContents[i]));
  });
  const payloads = inputs.some(isPayload) ? elementsOf(inputs, rawInputContents, "payload") : null;
  return { payload: payloads?.[0] ?? NO_PAYLOAD, tensors };
}

function inTopologicalOrder(tasks: PipelineDocument["tasks"]): readonly string[] {
  const order: string[] = [];
  const left = new Set(Object.keys(tasks));
  while (left.size > 0) {
    for (const task of left) {
      if (namesAfter(tasks[task]).some((name) => left.has(name))) continue;
      order.push(task);
      left.delete(task);
    }
  }
  return order;
}

function hasLabel(output: JobOutput, label: string): boolean {
  return "labels" in output && output.labels.includes(label);
}
