/** From an SSD's raw outputs to objects: box decoding and non-maximum suppression. */

/** A box with its class and score; in shares of the model's input, or in its pixels. */
export interface Detection {
  readonly classId: number;
  /** From 0 to 1. */
  readonly score: number;
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
}

export interface SsdOptions {
  readonly minScore: number;
  /** What was trained into the codes, of centre and size. */
  readonly variances: readonly [centre: number, size: number];
  /** Whether class 0 is the background. */
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
  const clip = (value: number) => Math.min(Math.max(value, 0), 1);
  return [
    clip(centreX - halfWidth),
    clip(centreY - halfHeight),
    clip(centreX + halfWidth),
    clip(centreY + halfHeight),
  ];
}

/**
 * Greedy non-maximum suppression within each class, or across them: best score first, at most
 * `maxCount` kept. Ties keep the order given.
 */
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
export function overlap(a: Detection["box"], b: Detection["box"]): number {
  const width = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0);
  const height = Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
  const area = (box: Detection["box"]) => (box[2] - box[0]) * (box[3] - box[1]);
  const union = area(a) + area(b) - width * height;
  return union === 0 ? 0 : (width * height) / union;
}
