/** From an SSD's raw outputs to objects: box decoding and non-maximum suppression. */

/** A box in fractions of the image, with its class and score. */
export interface Detection {
  readonly classId: number;
  /** From 0 to 1. */
  readonly score: number;
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
}

/** What was trained into the codes; the graph multiplies by these. */
const CENTRE_VARIANCE = 0.1;
const SIZE_VARIANCE = 0.2;

/**
 * All classes of all anchors that reach `minScore`, unsuppressed. `codes` [anchors,4] ty,tx,th,tw;
 * `scores` [anchors,classes], class 0 is the background; `anchors` [anchors,4] y0,x0,y1,x1.
 * Source: Liu et al., SSD: Single Shot MultiBox Detector (2016), section 2.2.
 */
export function decodeSsd(
  codes: Float32Array,
  scores: Float32Array,
  anchors: Float32Array,
  minScore: number,
): readonly Detection[] {
  const anchorCount = anchors.length / 4;
  const classCount = scores.length / anchorCount;
  const found: Detection[] = [];
  for (let a = 0; a < anchorCount; a++) {
    for (let classId = 1; classId < classCount; classId++) {
      const score = scores[a * classCount + classId]!;
      if (score >= minScore) found.push({ classId, score, box: decodeBox(codes, anchors, a) });
    }
  }
  return found;
}

function decodeBox(codes: Float32Array, anchors: Float32Array, a: number): Detection["box"] {
  const [y0, x0, y1, x1] = anchors.subarray(4 * a) as unknown as [number, number, number, number];
  const [ty, tx, th, tw] = codes.subarray(4 * a) as unknown as [number, number, number, number];
  const centreY = (y0 + y1) / 2 + ty * CENTRE_VARIANCE * (y1 - y0);
  const centreX = (x0 + x1) / 2 + tx * CENTRE_VARIANCE * (x1 - x0);
  const halfHeight = (Math.exp(th * SIZE_VARIANCE) * (y1 - y0)) / 2;
  const halfWidth = (Math.exp(tw * SIZE_VARIANCE) * (x1 - x0)) / 2;
  const clip = (value: number) => Math.min(Math.max(value, 0), 1);
  return [
    clip(centreX - halfWidth),
    clip(centreY - halfHeight),
    clip(centreX + halfWidth),
    clip(centreY + halfHeight),
  ];
}

/**
 * Greedy non-maximum suppression within each class: best score first, at most `maxCount` kept.
 * Ties keep the order given.
 */
export function suppress(
  detections: readonly Detection[],
  maxOverlap: number,
  maxCount: number,
): readonly Detection[] {
  const kept: Detection[] = [];
  for (const candidate of detections.toSorted((a, b) => b.score - a.score)) {
    if (kept.length === maxCount) break;
    const isRepeat = kept.some(
      ({ classId, box }) =>
        classId === candidate.classId && overlap(box, candidate.box) > maxOverlap,
    );
    if (!isRepeat) kept.push(candidate);
  }
  return kept;
}

/** Intersection over union; 0 when both are empty. */
export function overlap(a: Detection["box"], b: Detection["box"]): number {
  const width = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0);
  const height = Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
  const area = (box: Detection["box"]) => (box[2] - box[0]) * (box[3] - box[1]);
  const union = area(a) + area(b) - width * height;
  return union === 0 ? 0 : (width * height) / union;
}
