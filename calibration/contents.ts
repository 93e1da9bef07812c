/**
 * Contents of requests by pipeline: pictures where it takes a payload; tensors where its models take them,
 * given in a file or drawn at random in the models' shapes.
 */
import { readFileSync } from "node:fs";
import { isPayload, pipelineInputs } from "../cluster/gateway/pipeline-inputs.ts";
import {
  type DataTensor,
  payloadRequest,
  randomTensors,
  rawRequest,
  requestsOfJson,
} from "../cluster/load/tensor-inputs.ts";
import type {
  ModelMetadata,
  RequestContents,
  TensorMetadata,
} from "../cluster/protocol/messages.ts";
import { Fault } from "../core/fault.ts";
import { RequestDraws, WHEN_HOLDS } from "../core/request-draws.ts";
import type { PipelineDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import type { System } from "../core/system.ts";
import { drawScenes, loadImages } from "../models/scenes.ts";
import type { ModelWorker } from "./model-worker.ts";

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
  const given = source.inputs === undefined ? null : tensorsOfFile(source.inputs);
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
    names.map((name) => ({ predecessors: tasks[name].after.map((one) => names.indexOf(one)) })),
    names.map((name) => metadata.get(tasks[name].model)),
  );
}

function randomSets(
  inputs: readonly TensorMetadata[],
  seed: string,
): readonly (readonly DataTensor[])[] {
  return Array.from({ length: RANDOM }, (_, i) => randomTensors(inputs, `${seed}/${i}`));
}

function tensorsOfFile(path: string): readonly (readonly DataTensor[])[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new Fault("not-found", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  return requestsOfJson(text, path);
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

/** One request's contents, and the tasks that ran on them. */
export interface KnownContents {
  readonly contents: RequestContents;
  readonly ran: ReadonlySet<string>;
}

/** The contents of requests 0 .. count − 1; `known` by pipeline name, none of them empty. */
export function matchContents(
  system: System,
  seed: string,
  count: number,
  known: Readonly<Record<string, readonly KnownContents[]>>,
): RequestContents[] {
  const draws = new RequestDraws(system, seed);
  const flags = new Uint8Array(system.stride);
  const variates = new Float64Array(system.stride);
  const groups = system.pipelines.map(({ name, tasks }) =>
    groupByBranches(known[name], conditional(tasks)),
  );
  const used = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const pipeline = draws.pipeline();
    draws.draw(pipeline, 0, flags, variates);
    const { name, tasks } = system.pipelines[pipeline];
    const wanted = tasks
      .filter((task, i) => task.whenContains !== null && (flags[i] & WHEN_HOLDS) !== 0)
      .map((task) => task.name)
      .join("+");
    const candidates = groups[pipeline].get(wanted) ?? known[name];
    const turn = used.get(`${name}/${wanted}`) ?? 0;
    used.set(`${name}/${wanted}`, turn + 1);
    return candidates[turn % candidates.length].contents;
  });
}

function conditional(tasks: System["pipelines"][number]["tasks"]): readonly string[] {
  return tasks.filter((task) => task.whenContains !== null).map((task) => task.name);
}

/** Contents by the conditional tasks that ran on them. */
function groupByBranches(
  known: readonly KnownContents[],
  tasks: readonly string[],
): Map<string, KnownContents[]> {
  const groups = new Map<string, KnownContents[]>();
  for (const entry of known) {
    const key = tasks.filter((task) => entry.ran.has(task)).join("+");
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return groups;
}
