/** Declared steps from a model's outputs to a task's answer: objects, text, classes, or tensors. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Fault } from "../engine/basics/fault.ts";
import type { PostprocessStep } from "../scenario/schema/implementation.ts";
import { isKnownLabels } from "../scenario/schema/implementation-kinds.ts";
import type { Placement } from "./image.ts";
import { type Detection, decodeSsd, decodeYolo, objectsOutput, suppress } from "./objects.ts";
import type { TaskOutput } from "./task-model.ts";
import {
  checkedTensor,
  decodeStrings,
  elementCount,
  floatsOf,
  floatTensor,
  numbersOf,
  type Tensor,
  type TensorSpec,
} from "./tensor.ts";

interface State {
  readonly tensors: readonly Tensor[];
  /** Null for a job without a picture. */
  readonly placement: Placement | null;
  /** In pixels of the model's input. */
  readonly objects?: readonly Detection[];
  readonly labels?: readonly string[];
  readonly output?: TaskOutput;
}

type Apply = (state: State) => State;

/** Makes a job's answer of its outputs. Throws a Fault for outputs that the steps cannot read. */
type OutputSteps = (tensors: readonly Tensor[], placement: Placement | null) => TaskOutput;

/** The files that the steps name start at `folder`. Rejects with a Fault when one is missing. */
export async function outputSteps(
  steps: readonly PostprocessStep[],
  specs: readonly TensorSpec[],
  folder: string,
): Promise<OutputSteps> {
  const actions: Apply[] = [];
  for (const step of steps) actions.push(await actionOf(step, specs, folder));
  return (tensors, placement) => {
    let state: State = { tensors, placement };
    for (const action of actions) state = action(state);
    if (state.output !== undefined) return state.output;
    const { objects, labels = [] } = state;
    if (objects === undefined) {
      return { labels: [], value: { tensors: state.tensors.map(told) }, tensors: state.tensors };
    }
    return objectsOutput(objects, labels, placementOf(state));
  };
}

async function actionOf(
  step: PostprocessStep,
  specs: readonly TensorSpec[],
  folder: string,
): Promise<Apply> {
  const { softmax, sigmoid, yolo, ssd, suppress: suppression, ctc, topK } = step;
  if (softmax !== undefined) return mapped(nameOf(softmax.output, specs), softmaxOf);
  if (sigmoid !== undefined) return mapped(nameOf(sigmoid.output, specs), sigmoidOf);
  if (yolo !== undefined) return yoloAction(yolo, nameOf(yolo.output, specs), folder);
  if (ssd !== undefined) return ssdAction(ssd, specs, folder);
  if (ctc !== undefined) return ctcAction(ctc, nameOf(ctc.output, specs), folder);
  if (topK !== undefined) return topKAction(topK, nameOf(topK.output, specs), folder);
  const { maxOverlap, maxCount, acrossClasses } = suppression!;
  return (state) => ({
    ...state,
    objects: suppress(state.objects ?? [], maxOverlap, maxCount, acrossClasses),
  });
}

function nameOf(wanted: string | undefined, specs: readonly TensorSpec[]): string {
  const names = specs.map(({ name }) => name);
  if (wanted === undefined && names.length === 1) return names[0]!;
  if (wanted !== undefined && names.includes(wanted)) return wanted;
  const what = wanted === undefined ? `it has ${names.length} outputs` : `it has no ${wanted}`;
  throw new Fault("invalid-input", `which output of the model? ${what}`, {
    hint: `say \`output\`, one of ${names.join(", ")}`,
  });
}

function tensorOf({ tensors }: State, name: string): Tensor {
  return checkedTensor(tensors.find((tensor) => tensor.name === name)!);
}

function placementOf({ placement }: State): Placement {
  if (placement !== null) return placement;
  throw new Fault("invalid-input", "objects need a picture, and the request had none");
}

/** A step that puts other numbers into one output. */
function mapped(name: string, change: (data: Float32Array, length: number) => Float32Array): Apply {
  return (state) => ({
    ...state,
    tensors: state.tensors.map((tensor) => {
      if (tensor.name !== name) return tensor;
      const length = tensor.shape.at(-1) ?? 1;
      return floatTensor(name, tensor.shape, change(floatsOf(checkedTensor(tensor)), length));
    }),
  });
}

function softmaxOf(data: Float32Array, length: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += length) {
    const row = data.subarray(start, start + length);
    const largest = row.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);
    const powers = row.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((total, value) => total + value, 0);
    result.set(
      powers.map((value) => value / sum),
      start,
    );
  }
  return result;
}

function sigmoidOf(data: Float32Array): Float32Array {
  return data.map((value) => 1 / (1 + Math.exp(-value)));
}

async function yoloAction(
  { format, minScore, labels }: NonNullable<PostprocessStep["yolo"]>,
  name: string,
  folder: string,
): Promise<Apply> {
  const names = await labelsOf(labels, folder);
  return (state) => {
    const tensor = tensorOf(state, name);
    const options = { format, minScore, classes: names.length };
    const objects = decodeYolo(floatsOf(tensor), tensor.shape.slice(1), options);
    return { ...state, objects, labels: names };
  };
}

async function ssdAction(
  step: NonNullable<PostprocessStep["ssd"]>,
  specs: readonly TensorSpec[],
  folder: string,
): Promise<Apply> {
  const names = await labelsOf(step.labels, folder);
  const anchors = await anchorsOf(resolve(folder, step.anchors));
  const [boxes, scores] = [nameOf(step.boxes, specs), nameOf(step.scores, specs)];
  return (state) => {
    const { inputWidth, inputHeight } = placementOf(state);
    const [codes, classes] = [tensorOf(state, boxes), tensorOf(state, scores)];
    const count = anchors.length / 4;
    if (codes.shape[1] !== count || classes.shape[1] !== count) {
      const shapes = `${boxes} [${codes.shape}], ${scores} [${classes.shape}]`;
      throw new Fault("invalid-input", `${count} anchors do not fit the outputs ${shapes}`);
    }
    const found = decodeSsd(floatsOf(codes), floatsOf(classes), anchors, step);
    const objects = found.map(({ box: [x0, y0, x1, y1], ...object }) => ({
      ...object,
      box: [x0 * inputWidth, y0 * inputHeight, x1 * inputWidth, y1 * inputHeight] as const,
    }));
    return { ...state, objects, labels: names };
  };
}

async function ctcAction(
  { characters, blank, space }: NonNullable<PostprocessStep["ctc"]>,
  name: string,
  folder: string,
): Promise<Apply> {
  const known = await linesOf(resolve(folder, characters));
  const all = space ? [...known, " "] : known;
  return (state) => {
    const tensor = tensorOf(state, name);
    const classes = tensor.shape.at(-1);
    if (classes !== all.length + 1) {
      const message = `output ${name} has ${classes} classes, ${characters} makes ${all.length + 1}`;
      throw new Fault("invalid-input", message, { hint: "blank included; check `space`" });
    }
    const { text, probabilities } = decodeCtc(floatsOf(tensor), all, blank);
    const sum = probabilities.reduce((total, value) => total + value, 0);
    const confidence = text === "" ? 0 : sum / probabilities.length;
    const output = { labels: text === "" ? [] : ["text"], value: { text, confidence } };
    return { ...state, output };
  };
}

async function topKAction(
  { k, minScore, labels }: NonNullable<PostprocessStep["topK"]>,
  name: string,
  folder: string,
): Promise<Apply> {
  const names = labels === undefined ? undefined : await labelsOf(labels, folder);
  return (state) => {
    const classes = topClasses(floatsOf(tensorOf(state, name)), names, k, minScore);
    return { ...state, output: { labels: classes.map(({ label }) => label), value: { classes } } };
  };
}

async function labelsOf(labels: string | readonly string[], folder: string) {
  if (typeof labels !== "string") return labels;
  if (isKnownLabels(labels)) return labels === "coco" ? COCO_80_LABELS : COCO_LABELS;
  return linesOf(resolve(folder, labels));
}

/** A text file's lines, or the strings of a JSON list. */
async function linesOf(path: string): Promise<readonly string[]> {
  const text = (await read(path)).toString("utf8").replace(/^\uFEFF/, "");
  if (path.endsWith(".json")) {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
    throw new Fault("invalid-input", `${path} is no list of strings`);
  }
  return text.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** [anchors, 4] y0, x0, y1, x1: little-endian float32, or JSON. */
async function anchorsOf(path: string): Promise<Float32Array> {
  const bytes = await read(path);
  const isJson = path.endsWith(".json");
  if (!isJson && bytes.length % 16 !== 0) {
    throw new Fault("invalid-input", `${path} is no list of four float32 values each`);
  }
  if (!isJson) return new Float32Array(new Uint8Array(bytes).buffer);
  const anchors = Float32Array.from((JSON.parse(bytes.toString("utf8")) as number[][]).flat());
  if (anchors.length % 4 === 0 && anchors.every(Number.isFinite)) return anchors;
  throw new Fault("invalid-input", `${path} is no list of four numbers each`);
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new Fault("not-found", `cannot read ${path}`, {
      hint: "paths start at the scenario file's folder",
      cause,
    });
  });
}

export interface CtcText {
  readonly text: string;
  /** The probability of each character of `text`, from 0 to 1. */
  readonly probabilities: readonly number[];
}

/**
 * The most probable class at each step, repeats merged, blanks dropped. `data`
 * [steps,classes]; the blank is the first class or the last, the others are `characters` in order.
 * Source: Graves et al. (2006), best path decoding.
 */
export function decodeCtc(
  data: Float32Array,
  characters: readonly string[],
  blankAt: "first" | "last" = "first",
): CtcText {
  const classes = characters.length + 1;
  const blank = blankAt === "first" ? 0 : classes - 1;
  const first = blankAt === "first" ? 1 : 0;
  let text = "";
  const probabilities: number[] = [];
  let previous = blank;
  for (let offset = 0; offset + classes <= data.length; offset += classes) {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (data[offset + k]! > data[offset + best]!) best = k;
    }
    if (best !== blank && best !== previous) {
      text += characters[best - first];
      probabilities.push(data[offset + best]!);
    } else if (best !== blank && data[offset + best]! > probabilities.at(-1)!) {
      probabilities[probabilities.length - 1] = data[offset + best]!;
    }
    previous = best;
  }
  return { text, probabilities };
}

/** At most `k` classes of at least `minScore`, best first; a class without a name is its number. */
function topClasses(
  scores: Float32Array,
  labels: readonly string[] | undefined,
  k: number,
  minScore: number,
) {
  return Array.from(scores, (score, i) => ({ label: labels?.[i] ?? String(i), score }))
    .filter(({ score }) => score >= minScore)
    .sort((a, b) => b.score - a.score)
    .slice(0, k);
}

/** JSON has only name, datatype and shape of tensors with more elements. */
const MAX_TOLD = 1000;

function told(tensor: Tensor) {
  const { name, datatype, shape } = tensor;
  if (elementCount(shape) > MAX_TOLD) return { name, datatype, shape };
  return { name, datatype, shape, data: elementsOf(tensor) };
}

/** 64-bit integers as numbers where they are exact, else as text. */
function elementsOf({ datatype, raw, shape }: Tensor): readonly (number | string)[] {
  if (datatype === "BYTES") return decodeStrings(raw, elementCount(shape));
  return numbersOf(datatype, raw).map((value) => (typeof value === "bigint" ? `${value}` : value));
}

/**
 * Class names of COCO by the 91 ids of its annotation files, 0 being the background; ten ids
 * were never used and are "". Source: mscoco_label_map.pbtxt of TensorFlow's object detection
 * models.
 */
const COCO_LABELS: readonly string[] = `\
background|person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|\
fire hydrant||stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|\
giraffe||backpack|umbrella|||handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|\
baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle||wine glass|cup|fork|\
knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|\
couch|potted plant|bed||dining table|||toilet||tv|laptop|mouse|remote|keyboard|cell phone|\
microwave|oven|toaster|sink|refrigerator||book|clock|vase|scissors|teddy bear|hair drier|\
toothbrush`.split("|");

/** The 80 names in use, as most models number them. */
const COCO_80_LABELS: readonly string[] = COCO_LABELS.slice(1).filter((name) => name !== "");
