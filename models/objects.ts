/** Objects as a task's answer. */
import type { Box } from "./image.ts";
import { clamp } from "./image.ts";
import type { Placement } from "./image-steps.ts";
import type { Detection } from "./ssd.ts";
import type { TaskOutput } from "./task-model.ts";

export interface DetectedObject {
  /** A class name of the model. */
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

/** Detections in pixels of the model's input, told in whole pixels of the picture. */
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
