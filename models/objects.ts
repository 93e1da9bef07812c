/** Objects: decoded from outputs of SSD and YOLO graphs, converted to a task's answer, and read from one. */
import { Fault } from "../engine/basics/fault.ts";
import { type Box, clamp, type Placement } from "./image.ts";
import type { TaskInput, TaskOutput } from "./task-model.ts";

interface DetectedObject {
  readonly label: string;
  /** From 0 to 1. */
  readonly score: number;
  readonly box: Box;
}

/** `value` of a detector's output: the picture's size in pixels, and the objects, best first. */
export interface DetectorValue {
  readonly width: number;
  readonly height: number;
  readonly objects: readonly DetectedObject[];
}

/** Converts detections from pixels of the model's input to whole pixels of the picture. */
export function objectsOutput(
  detections: readonly Detection[],
  labels: readonly string[],
  placement: Placement,
): TaskOutput {
  const { width, height } = placement;
  const objects = detections
    .toSorted((a, b) => b.score - a.score)
    .map(({ classId, score, box }): DetectedObject => {
      const label = labels[classId] ?? String(classId);
      return { label, score, box: onPicture(box, placement) };
    });
  const value: DetectorValue = { width, height, objects };
  return { labels: [...new Set(objects.map(({ label }) => label))], value };
}

function onPicture(box: Detection["box"], placement: Placement): Box {
  const { scale, offset, origin, width, height } = placement;
  const at = (value: number, axis: 0 | 1): number => {
    const pixels = (value - offset[axis]) / scale[axis] + origin[axis];
    return Math.round(clamp(pixels, 0, axis === 0 ? width : height));
  };
  return [at(box[0], 0), at(box[1], 1), at(box[2], 0), at(box[3], 1)];
}

/** A box with its class and score; in shares of the model's input, or in its pixels. */
export interface Detection {
  readonly classId: number;
  /** From 0 to 1. */
  readonly score: number;
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
}

interface SsdOptions {
  readonly minScore: number;
  /** Scales of the trained codes, of centre and size. */
  readonly variances: readonly [centre: number, size: number];
  readonly background: boolean;
}

/**
 * All classes of all anchors that reach `minScore`, unsuppressed. `codes` [anchors,4] ty,tx,th,tw;
 * `scores` [anchors,classes]; `anchors` [anchors,4] y0,x0,y1,x1; boxes in shares of the input.
 * Source: Liu et al., SSD: Single Shot MultiBox Detector (2016), section 2.2.
 */
export function decodeSsd(
  codes: Float32Array,
  scores: Float32Array,
  anchors: Float32Array,
  { minScore, variances, background }: SsdOptions,
): readonly Detection[] {
  const anchorCount = anchors.length / 4;
  const classCount = scores.length / anchorCount;
  const found: Detection[] = [];
  for (let a = 0; a < anchorCount; a++) {
    for (let classId = background ? 1 : 0; classId < classCount; classId++) {
      const score = scores[a * classCount + classId]!;
      if (score < minScore) continue;
      found.push({ classId, score, box: decodeBox(codes, anchors, a, variances) });
    }
  }
  return found;
}

function decodeBox(
  codes: Float32Array,
  anchors: Float32Array,
  a: number,
  [centreVariance, sizeVariance]: SsdOptions["variances"],
): Detection["box"] {
  const [y0, x0, y1, x1] = anchors.subarray(4 * a) as unknown as [number, number, number, number];
  const [ty, tx, th, tw] = codes.subarray(4 * a) as unknown as [number, number, number, number];
  const centreY = (y0 + y1) / 2 + ty * centreVariance * (y1 - y0);
  const centreX = (x0 + x1) / 2 + tx * centreVariance * (x1 - x0);
  const halfHeight = (Math.exp(th * sizeVariance) * (y1 - y0)) / 2;
  const halfWidth = (Math.exp(tw * sizeVariance) * (x1 - x0)) / 2;
  const clip = (value: number): number => clamp(value, 0, 1);
  return [
    clip(centreX - halfWidth),
    clip(centreY - halfHeight),
    clip(centreX + halfWidth),
    clip(centreY + halfHeight),
  ];
}

/** Greedy non-maximum suppression within each class, or across them: at most `maxCount`, the best scores first. */
export function suppress(
  detections: readonly Detection[],
  maxOverlap: number,
  maxCount: number,
  acrossClasses = false,
): readonly Detection[] {
  const kept: Detection[] = [];
  for (const candidate of detections.toSorted((a, b) => b.score - a.score)) {
    if (kept.length === maxCount) break;
    const isRepeat = kept.some(
      ({ classId, box }) =>
        (acrossClasses || classId === candidate.classId) &&
        overlap(box, candidate.box) > maxOverlap,
    );
    if (!isRepeat) kept.push(candidate);
  }
  return kept;
}

/** Intersection over union; 0 when both are empty. */
function overlap(a: Detection["box"], b: Detection["box"]): number {
  const width = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0);
  const height = Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
  const area = (box: Detection["box"]) => (box[2] - box[0]) * (box[3] - box[1]);
  const union = area(a) + area(b) - width * height;
  return union === 0 ? 0 : (width * height) / union;
}

type YoloFormat = "auto" | "v8" | "v5" | "end-to-end";

/** Places of values in an output row [rows, columns]. A box has `4 + scores` values, one more with an objectness. */
interface Layout {
  readonly boxes: number;
  readonly classes: number;
  readonly hasObjectness: boolean;
  /** Distance between two boxes, and between two values of one box. */
  readonly boxStride: number;
  readonly valueStride: number;
}

/**
 * Objects of at least `minScore`, each box with its best class, unsuppressed. `shape` is that of
 * one image's output, [rows, columns]. Source: the exports of Ultralytics' YOLOv5, YOLOv8 and
 * YOLOv10; v8 has [4 + classes, boxes] with centre, size and class scores; v5 [boxes, 5 + classes]
 * with an objectness that multiplies them; end-to-end [boxes, 6] with corners, score and class,
 * suppressed by the graph itself.
 * Throws Fault("invalid-input") when no format fits the shape.
 */
export function decodeYolo(
  data: Float32Array,
  shape: readonly number[],
  options: { readonly format: YoloFormat; readonly classes: number; readonly minScore: number },
): readonly Detection[] {
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined) {
    throw unfit(shape, options.classes);
  }
  if (isEndToEnd(columns, options)) return decodeCorners(data, columns, options.minScore);
  return decodeCentres(data, layoutOf(rows, columns, options), options.minScore);
}

function isEndToEnd(
  columns: number,
  { format, classes }: { readonly format: YoloFormat; readonly classes: number },
): boolean {
  if (format === "end-to-end") return true;
  return format === "auto" && columns === 6 && classes > 2;
}

function layoutOf(
  rows: number,
  columns: number,
  { format, classes }: { readonly format: YoloFormat; readonly classes: number },
): Layout {
  const v8 = 4 + classes;
  const v5 = 5 + classes;
  if (rows === v8 && format !== "v5") {
    return { boxes: columns, classes, hasObjectness: false, boxStride: 1, valueStride: columns };
  }
  if (columns === v5 && format !== "v8") {
    return { boxes: rows, classes, hasObjectness: true, boxStride: columns, valueStride: 1 };
  }
  if (columns === v8 && format !== "v5") {
    return { boxes: rows, classes, hasObjectness: false, boxStride: columns, valueStride: 1 };
  }
  throw unfit([rows, columns], classes);
}

function unfit(shape: readonly number[], classes: number): Fault {
  return new Fault(
    "invalid-input",
    `an output of [N,${shape}] is no YOLO output of ${classes} classes`,
    {
      hint: `expected [N,${4 + classes},boxes], [N,boxes,${5 + classes}] or [N,boxes,6]; give the model's own \`labels\``,
    },
  );
}

function decodeCentres(data: Float32Array, layout: Layout, minScore: number): Detection[] {
  const { boxes, classes, hasObjectness, boxStride, valueStride } = layout;
  const first = hasObjectness ? 5 : 4;
  const found: Detection[] = [];
  for (let i = 0; i < boxes; i++) {
    const at = (value: number) => data[i * boxStride + value * valueStride]!;
    const objectness = hasObjectness ? at(4) : 1;
    if (objectness < minScore) continue;
    let classId = 0;
    for (let k = 1; k < classes; k++) if (at(first + k) > at(first + classId)) classId = k;
    const score = objectness * at(first + classId);
    // Written so that a NaN is left out too.
    if (!(score >= minScore)) continue;
    const [x, y, halfWidth, halfHeight] = [at(0), at(1), at(2) / 2, at(3) / 2];
    const box = [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight] as const;
    found.push({ classId, score, box });
  }
  return found;
}

function decodeCorners(data: Float32Array, columns: number, minScore: number): Detection[] {
  const found: Detection[] = [];
  for (let at = 0; at + 6 <= data.length; at += columns) {
    const [x0, y0, x1, y1, score, classId] = data.subarray(at) as unknown as number[];
    if (!(score! >= minScore)) continue;
    found.push({ classId: Math.round(classId!), score: score!, box: [x0!, y0!, x1!, y1!] });
  }
  return found;
}

/**
 * The object of one of the labels with the most squared score times area, with a margin (a share of its
 * size) on each side, in whole pixels within `whole`; null when there is none.
 */
export function bestObject(
  upstream: TaskInput["upstream"],
  labels: ReadonlySet<string>,
  margin: number,
  whole: Box,
): Box | null {
  let best: Box | null = null;
  let bestWeight = 0;
  for (const { value } of Object.values(upstream)) {
    for (const { label, score, box } of objectsOf(value)) {
      const [x0, y0, x1, y1] = box;
      const weight = score ** 2 * (x1 - x0) * (y1 - y0);
      if (!labels.has(label) || weight <= bestWeight) continue;
      const [dx, dy] = [(x1 - x0) * margin, (y1 - y0) * margin];
      const clipped: Box = [
        Math.max(Math.floor(x0 - dx), whole[0]),
        Math.max(Math.floor(y0 - dy), whole[1]),
        Math.min(Math.ceil(x1 + dx), whole[2]),
        Math.min(Math.ceil(y1 + dy), whole[3]),
      ];
      if (clipped[2] <= clipped[0] || clipped[3] <= clipped[1]) continue;
      bestWeight = weight;
      best = clipped;
    }
  }
  return best;
}

/** The objects in another task's value, which may be of any shape. */
function objectsOf(value: unknown): readonly DetectedObject[] {
  const { objects } = (value ?? {}) as { readonly objects?: unknown };
  if (!Array.isArray(objects)) return [];
  return objects.filter((object: Partial<DetectedObject> | null): object is DetectedObject => {
    const box: unknown = object?.box;
    return (
      typeof object?.label === "string" &&
      typeof object.score === "number" &&
      Array.isArray(box) &&
      box.length === 4 &&
      box.every(Number.isFinite)
    );
  });
}
