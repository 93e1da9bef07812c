/**
 * From a text detector's probability map to turned rectangles around lines of text.
 * Source: Liao et al., Real-time Scene Text Detection with Differentiable Binarization (2020),
 * section 3.6, with the smallest rectangle in place of the polygon.
 */
import type { Point, TurnedRectangle } from "./geometry.ts";
import { grow, smallestRectangle } from "./geometry.ts";

export interface TextRegion {
  /** In pixels of the probability map. */
  readonly rectangle: TurnedRectangle;
  /** Mean probability over the region's pixels, from 0 to 1. */
  readonly score: number;
}

export interface TextRegionOptions {
  /** Pixels above it belong to text. */
  readonly minProbability: number;
  /** Regions below this mean probability are dropped. */
  readonly minScore: number;
  /** Regions grow by this ratio times area over perimeter: the network draws text shrunk. */
  readonly growth: number;
}

/** Regions of fewer pixels are noise. */
const MIN_PIXELS = 8;

/** The text regions of a map [height,width], in the order of their first pixel. */
export function textRegions(
  map: Float32Array,
  width: number,
  options: TextRegionOptions,
): readonly TextRegion[] {
  const seen = new Uint8Array(map.length);
  const regions: TextRegion[] = [];
  for (let start = 0; start < map.length; start++) {
    if (seen[start] === 1 || map[start]! <= options.minProbability) continue;
    const pixels = connected(map, width, start, options.minProbability, seen);
    const score = pixels.reduce((sum, pixel) => sum + map[pixel]!, 0) / pixels.length;
    if (pixels.length < MIN_PIXELS || score < options.minScore) continue;
    regions.push({ rectangle: around(pixels, width, options.growth), score });
  }
  return regions;
}

/** All pixels above the threshold that touch `start`, also by corners; marks them in `seen`. */
function connected(
  map: Float32Array,
  width: number,
  start: number,
  minProbability: number,
  seen: Uint8Array,
): readonly number[] {
  const pixels = [start];
  seen[start] = 1;
  for (const pixel of pixels) {
    const x = pixel % width;
    for (let dy = -width; dy <= width; dy += width) {
      for (let dx = x === 0 ? 0 : -1; dx <= (x === width - 1 ? 0 : 1); dx++) {
        const next = pixel + dy + dx;
        if (next < 0 || next >= map.length || seen[next] === 1) continue;
        if (map[next]! <= minProbability) continue;
        seen[next] = 1;
        pixels.push(next);
      }
    }
  }
  return pixels;
}

function around(pixels: readonly number[], width: number, growth: number): TurnedRectangle {
  // Only a row's first and last pixel can be corners of the hull.
  const rows = new Map<number, [number, number]>();
  for (const pixel of pixels) {
    const x = pixel % width;
    const y = (pixel - x) / width;
    const span = rows.get(y);
    if (span === undefined) rows.set(y, [x, x]);
    else rows.set(y, [Math.min(span[0], x), Math.max(span[1], x)]);
  }
  const points = [...rows].flatMap(([y, [first, last]]): Point[] => [
    [first, y],
    [last + 1, y],
    [first, y + 1],
    [last + 1, y + 1],
  ]);
  const tight = smallestRectangle(points);
  const distance = (tight.width * tight.height * growth) / (2 * (tight.width + tight.height));
  return grow(tight, distance);
}
