/** Declared steps from a picture to a model's input. They keep the geometry, so that objects get pixels of the picture. */
import type { Sharp } from "sharp";
import { Fault } from "../engine/basics/fault.ts";
import type { PreprocessStep } from "../scenario/schema/implementation.ts";
import { type Box, openImage, type Placement, readPixels } from "./image.ts";
import { bestObject } from "./objects.ts";
import type { TaskInput } from "./task-model.ts";
import { ARRAYS, numberToHalf, type Tensor, type TensorSpec } from "./tensor.ts";

interface PreparedImage {
  readonly tensor: Tensor;
  readonly placement: Placement;
}

type Resize = NonNullable<PreprocessStep["resize"]>;
type Normalise = NonNullable<PreprocessStep["normalise"]>;
type Layout = NonNullable<PreprocessStep["layout"]>;

interface Plan {
  readonly channels: 1 | 3;
  readonly isBlueFirst: boolean;
  readonly cropTo: PreprocessStep["cropTo"];
  readonly resize: Resize | undefined;
  readonly normalise: Normalise;
  readonly layout: Layout;
  readonly spec: TensorSpec;
}

/** Steps for an input, which gives what no step names. Throws Fault("invalid-input") when they do not fit it. */
export function imageSteps(
  steps: readonly PreprocessStep[],
  spec: TensorSpec,
): (input: TaskInput) => Promise<PreparedImage> {
  const step = Object.assign({}, ...steps) as PreprocessStep;
  const channels = step.decode === "grey" ? 1 : 3;
  const layout = step.layout ?? layoutOf(spec, channels);
  const plan: Plan = {
    channels,
    isBlueFirst: step.decode === "bgr",
    cropTo: step.cropTo,
    resize: step.resize && { ...sizeOf(spec, layout), ...step.resize },
    normalise: step.normalise ?? { scale: 1, mean: 0, deviation: 1 },
    layout,
    spec,
  };
  checkFit(plan);
  return (input) => prepare(plan, input);
}

function layoutOf({ name, shape }: TensorSpec, channels: number): Layout {
  if (shape.length === 4 && shape[1] === channels) return "nchw";
  if (shape.length === 4 && shape[3] === channels) return "nhwc";
  throw new Fault(
    "invalid-input",
    `input ${name} [${shape}] does not tell where its ${channels} channels are`,
    { hint: "name the `layout`, nchw or nhwc, and the right `decode`" },
  );
}

function sizeOf({ shape }: TensorSpec, layout: Layout): Partial<Resize> {
  const [height, width] = layout === "nchw" ? shape.slice(2) : shape.slice(1);
  return {
    ...(width !== undefined && width > 0 ? { width } : {}),
    ...(height !== undefined && height > 0 ? { height } : {}),
  };
}

function checkFit({ spec, resize, layout, channels }: Plan): void {
  const { name, shape, datatype } = spec;
  if (!["FP32", "FP16", "UINT8"].includes(datatype)) {
    throw new Fault("invalid-input", `input ${name} is ${datatype}: no picture goes in`, {
      hint: "pictures go into FP32, FP16 or UINT8 inputs",
    });
  }
  const known = sizeOf(spec, layout);
  const size = { ...known, ...resize };
  if (resize !== undefined && (size.width === undefined || size.height === undefined)) {
    throw new Fault("invalid-input", `input ${name} [${shape}] leaves its size open`, {
      hint: "say `resize: { width: 640, height: 640 }`",
    });
  }
  const wanted =
    layout === "nchw"
      ? [-1, channels, size.height ?? -1, size.width ?? -1]
      : [-1, size.height ?? -1, size.width ?? -1, channels];
  const fits =
    shape.length === 4 &&
    shape.every((have, i) => i === 0 || have === -1 || wanted[i] === -1 || have === wanted[i]);
  if (fits) return;
  const message = `the steps give [N,${wanted.slice(1)}] (${layout}), input ${name} takes [${shape}]`;
  throw new Fault("invalid-input", message, { hint: "check decode, resize and layout" });
}

async function prepare(plan: Plan, input: TaskInput): Promise<PreparedImage> {
  const opened = await openImage(input.payload);
  const { width, height } = opened;
  const whole: Box = [0, 0, width, height];
  const { cropTo } = plan;
  const wanted = cropTo && bestObject(input.upstream, new Set(cropTo.labels), cropTo.margin, whole);
  const region = wanted ?? whole;
  const [x0, y0, x1, y1] = region;
  const size = { width: x1 - x0, height: y1 - y0 };
  let { image } = opened;
  if (region !== whole) image = image.extract({ left: x0, top: y0, ...size });
  const target = resized(plan.resize, size);
  if (target.apply !== null) image = target.apply(image);
  const pixels = await readPixels(image, input.payload, plan.channels);
  const placement: Placement = {
    width,
    height,
    inputWidth: target.width,
    inputHeight: target.height,
    scale: target.scale,
    offset: target.offset,
    origin: [x0, y0],
  };
  return { tensor: laidOut(plan, pixels, target.width, target.height), placement };
}

interface Target {
  readonly width: number;
  readonly height: number;
  readonly scale: readonly [number, number];
  readonly offset: readonly [number, number];
  readonly apply: ((image: Sharp) => Sharp) | null;
}

function resized(resize: Resize | undefined, from: { width: number; height: number }): Target {
  if (resize === undefined) return { ...from, scale: [1, 1], offset: [0, 0], apply: null };
  const { fit, fill } = resize;
  const width = resize.width as number;
  const height = resize.height as number;
  const ratios = [width / from.width, height / from.height] as const;
  if (fit === "stretch") {
    const apply = (image: Sharp) => image.resize(width, height, { fit: "fill", kernel: "linear" });
    return { width, height, scale: ratios, offset: [0, 0], apply };
  }
  const ratio = fit === "letterbox" ? Math.min(...ratios) : Math.max(...ratios);
  const inner = {
    width: Math.max(1, Math.round(from.width * ratio)),
    height: Math.max(1, Math.round(from.height * ratio)),
  };
  const left = Math.floor((width - inner.width) / 2);
  const top = Math.floor((height - inner.height) / 2);
  const scale = [inner.width / from.width, inner.height / from.height] as const;
  const scaled = (image: Sharp) =>
    image.resize(inner.width, inner.height, { fit: "fill", kernel: "linear" });
  if (fit === "crop") {
    const apply = (image: Sharp) =>
      scaled(image).extract({ left: -left, top: -top, width, height });
    return { width, height, scale, offset: [left, top], apply };
  }
  const background = { r: fill, g: fill, b: fill };
  const apply = (image: Sharp) =>
    scaled(image).extend({
      left,
      top,
      right: width - inner.width - left,
      bottom: height - inner.height - top,
      background,
    });
  return { width, height, scale, offset: [left, top], apply };
}

function laidOut(plan: Plan, pixels: Uint8Array, width: number, height: number): Tensor {
  const { channels, isBlueFirst, layout, normalise, spec } = plan;
  const shape = layout === "nchw" ? [1, channels, height, width] : [1, height, width, channels];
  // Which of the decoded channels is the input's n-th.
  const order = channels === 1 ? [0] : isBlueFirst ? [2, 1, 0] : [0, 1, 2];
  const tables = valueTables(normalise, channels);
  const datatype = spec.datatype as "FP32" | "FP16" | "UINT8";
  const data = new ARRAYS[datatype](pixels.length);
  const values =
    datatype === "FP16" ? tables.map((table) => Uint16Array.from(table, numberToHalf)) : tables;
  arrange(pixels, data, order, layout, values);
  return { name: spec.name, datatype, shape, raw: new Uint8Array(data.buffer) };
}

/** The normalised value of each of the 256 pixel values, by channel of the input. */
export function valueTables(
  { scale, mean, deviation }: Normalise,
  channels: number,
): readonly Float32Array[] {
  const of = (value: number | readonly number[], channel: number): number =>
    typeof value === "number" ? value : (value[channel] ?? value[0]!);
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from(
      { length: 256 },
      (_, value) => (value * scale - of(mean, channel)) / of(deviation, channel),
    ),
  );
}

function arrange(
  pixels: Uint8Array,
  target: Float32Array | Uint16Array | Uint8Array,
  order: readonly number[],
  layout: Layout,
  tables: readonly (Float32Array | Uint16Array)[],
): void {
  const channels = order.length;
  const plane = pixels.length / channels;
  order.forEach((from, channel) => {
    const table = tables[channel]!;
    const start = layout === "nchw" ? channel * plane : channel;
    const step = layout === "nchw" ? 1 : channels;
    for (let i = 0; i < plane; i++) {
      target[start + i * step] = table[pixels[i * channels + from]!]!;
    }
  });
}
