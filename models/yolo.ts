/** From a YOLO graph's raw output to objects, in pixels of the graph's input. */
import { Fault } from "../core/fault.ts";
import type { Detection } from "./ssd.ts";

export type YoloFormat = "auto" | "v8" | "v5" | "end-to-end";

/**
 * How the values of one output row [rows, columns] are laid out. Every box has `4 + scores` values,
 * one more with an objectness.
 */
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
