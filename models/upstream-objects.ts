/** Objects that tasks before found, and the one to look at. */
import type { Box } from "./image.ts";
import type { TaskInput } from "./task-model.ts";

interface UpstreamObject {
  readonly label: string;
  readonly score: number;
  readonly box: Box;
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

/**
 * The objects in another task's value, which may be of any shape; what is not an object is left
 * out.
 */
function objectsOf(value: unknown): readonly UpstreamObject[] {
  const { objects } = (value ?? {}) as { readonly objects?: unknown };
  if (!Array.isArray(objects)) return [];
  return objects.filter((object: Partial<UpstreamObject> | null): object is UpstreamObject => {
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
