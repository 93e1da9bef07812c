/** PP-OCRv4's two networks: the first finds lines of text, as turned rectangles, the second reads them. */
import { readFile } from "node:fs/promises";
import { type Box, type RgbImage, scaledPart, wholePixels } from "./image.ts";
import { valueTables } from "./image-steps.ts";
import { type CtcText, decodeCtc } from "./output-steps.ts";
import { openEngine, type SessionOptions } from "./session.ts";
import type { PreparedModels } from "./store.ts";
import type { Engine, ModelProvenance } from "./task-model.ts";
import { floatsOf, floatTensor } from "./tensor.ts";

export interface Ocr {
  /** Provenance of the first of its two graphs. */
  readonly provenance: ModelProvenance;
  /** Lines of text in a part of the image, which is scaled so that its longer side is `side`; in the image's pixels. */
  locate(image: RgbImage, part: Box, side: number): Promise<readonly TurnedRectangle[]>;
  read(image: RgbImage, line: TurnedRectangle): Promise<CtcText>;
  close(): Promise<void>;
}

const LINE_HEIGHT = 48;
/** Lines are padded to this width at least, as in training. */
const MIN_LINE_WIDTH = 160;
/** The detector halves its input five times. */
const GRID = 32;

const REGIONS: TextRegionOptions = { minProbability: 0.3, minScore: 0.5, growth: 1.6 };

/** Per channel, blue first. Source: ImageNet's statistics, as PP-OCR was trained with. */
const IMAGENET = valueTables(
  { scale: 1 / 255, mean: [0.406, 0.456, 0.485], deviation: [0.225, 0.224, 0.229] },
  3,
);
/** From −1 to 1. */
const CENTRED = valueTables({ scale: 1 / 127.5, mean: 1, deviation: 1 }, 3);

export async function openOcr(
  models: PreparedModels,
  about: Pick<ModelProvenance, "name" | "source" | "license">,
  session: SessionOptions,
): Promise<Ocr> {
  const { files } = models;
  const detection = await openEngine(files["ppocr-v4-detection.onnx"].path, about, session);
  const recognition = await openEngine(files["ppocr-v4-recognition.onnx"].path, about, session);
  const keys = await readFile(models.files["ppocr-v4-characters.txt"].path, "utf8");
  const characters = [...keys.replace(/\r?\n$/, "").split(/\r?\n/), " "];
  return {
    provenance: detection.provenance,
    async locate(image, part, side) {
      const box = wholePixels(image, part);
      const [left, top, right, bottom] = box;
      const scale = side / Math.max(right - left, bottom - top);
      const width = toGrid((right - left) * scale);
      const height = toGrid((bottom - top) * scale);
      const small = await scaledPart(image, box, width, height);
      const input = bluePlanes(small, width, IMAGENET);
      const map = await infer(detection, input, [1, 3, height, width]);
      return textRegions(map, width, REGIONS).map((rectangle) => {
        const onPart = stretched(rectangle, (right - left) / width, (bottom - top) / height);
        const [x, y] = onPart.centre;
        return { ...onPart, centre: [x + left, y + top] as const };
      });
    },
    async read(image, line) {
      const cut = cutLine(image, line, LINE_HEIGHT);
      const width = Math.max(cut.width, MIN_LINE_WIDTH);
      const input = bluePlanes(cut, width, CENTRED);
      const probabilities = await infer(recognition, input, [1, 3, LINE_HEIGHT, width]);
      return decodeCtc(probabilities, characters);
    },
    async close() {
      await detection.close();
      await recognition.close();
    },
  };
}

function toGrid(pixels: number): number {
  return Math.max(Math.round(pixels / GRID), 1) * GRID;
}

function stretched(rectangle: TurnedRectangle, x: number, y: number): TurnedRectangle {
  return smallestRectangle(corners(rectangle).map((corner) => [corner[0] * x, corner[1] * y]));
}

async function infer(
  engine: Engine,
  data: Float32Array,
  shape: readonly number[],
): Promise<Float32Array> {
  const [output] = await engine.run([floatTensor("x", shape, data)]);
  return floatsOf(output!);
}

/** [3,height,width], blue first, each pixel by its channel's table; columns beyond the image are 0. */
function bluePlanes(image: RgbImage, width: number, tables: readonly Float32Array[]): Float32Array {
  const planes = new Float32Array(3 * image.height * width);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < image.width; x++) {
        const pixel = image.rgb[(y * image.width + x) * 3 + 2 - channel]!;
        planes[(channel * image.height + y) * width + x] = tables[channel]![pixel]!;
      }
    }
  }
  return planes;
}

interface TextRegionOptions {
  readonly minProbability: number;
  /** Regions below this mean probability are dropped. */
  readonly minScore: number;
  /** Regions grow by this ratio times area over perimeter: the network draws text shrunk. */
  readonly growth: number;
}

/** Regions of fewer pixels are noise. */
const MIN_PIXELS = 8;

/**
 * Turned rectangles around lines of text in a probability map [height,width], in the order of their
 * first pixel.
 * Source: Liao et al., Real-time Scene Text Detection with Differentiable Binarization (2020),
 * section 3.6, with the smallest rectangle in place of the polygon.
 */
export function textRegions(
  map: Float32Array,
  width: number,
  options: TextRegionOptions,
): readonly TurnedRectangle[] {
  const seen = new Uint8Array(map.length);
  const regions: TurnedRectangle[] = [];
  for (let start = 0; start < map.length; start++) {
    if (seen[start] === 1 || map[start]! <= options.minProbability) continue;
    const pixels = connected(map, width, start, options.minProbability, seen);
    const score = pixels.reduce((sum, pixel) => sum + map[pixel]!, 0) / pixels.length;
    if (pixels.length < MIN_PIXELS || score < options.minScore) continue;
    regions.push(around(pixels, width, options.growth));
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

/**
 * Samples the rectangle into an image `height` pixels high, keeping its aspect. Each pixel is the
 * mean of a grid of bilinear samples, fine enough not to skip pixels when the line is shrunk;
 * beyond the image's edge its border repeats.
 */
export function cutLine(image: RgbImage, line: TurnedRectangle, height: number): RgbImage {
  const scale = line.height / height;
  const width = Math.max(Math.round(line.width / scale), 1);
  const samples = Math.max(Math.ceil(scale), 1);
  const rgb = new Uint8Array(width * height * 3);
  const step = { x: Math.cos(line.angle) * scale, y: Math.sin(line.angle) * scale };
  const sum: [number, number, number] = [0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      sum.fill(0);
      for (let i = 0; i < samples * samples; i++) {
        const down = row - height / 2 + (Math.floor(i / samples) + 0.5) / samples;
        const along = column - width / 2 + ((i % samples) + 0.5) / samples;
        const x = line.centre[0] + along * step.x - down * step.y;
        const y = line.centre[1] + along * step.y + down * step.x;
        addSample(image, x - 0.5, y - 0.5, sum);
      }
      const to = (row * width + column) * 3;
      for (let c = 0; c < 3; c++) rgb[to + c] = Math.round(sum[c]! / (samples * samples));
    }
  }
  return { width, height, rgb };
}

/** Adds the bilinear sample at (x, y), counted from the centre of the first pixel. */
function addSample(image: RgbImage, x: number, y: number, sum: [number, number, number]): void {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  for (let corner = 0; corner < 4; corner++) {
    const dx = corner & 1;
    const dy = corner >> 1;
    const weight = (dx === 1 ? x - x0 : 1 - x + x0) * (dy === 1 ? y - y0 : 1 - y + y0);
    const column = Math.min(Math.max(x0 + dx, 0), image.width - 1);
    const row = Math.min(Math.max(y0 + dy, 0), image.height - 1);
    const from = (row * image.width + column) * 3;
    for (let c = 0; c < 3; c++) sum[c]! += weight * image.rgb[from + c]!;
  }
}

export type Point = readonly [x: number, y: number];

/** Turned by `angle` radians, clockwise on screen, about its centre; width runs along the angle. */
export interface TurnedRectangle {
  readonly centre: Point;
  readonly width: number;
  readonly height: number;
  readonly angle: number;
}

/** Corners of the convex hull in order around it. Source: Andrew's monotone chain (1979). */
function convexHull(points: readonly Point[]): readonly Point[] {
  const sorted = points.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered: readonly Point[]) => {
    const chain: Point[] = [];
    for (const point of ordered) {
      while (chain.length > 1 && turn(chain.at(-2)!, chain.at(-1)!, point) <= 0) chain.pop();
      chain.push(point);
    }
    chain.pop();
    return chain;
  };
  return sorted.length < 2 ? sorted : [...half(sorted), ...half(sorted.toReversed())];
}

function turn(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/** The rectangle of least area around at least one point, turned so that its angle is within ±45°. */
export function smallestRectangle(points: readonly Point[]): TurnedRectangle {
  const hull = convexHull(points);
  let best: TurnedRectangle | undefined;
  // One side of the least rectangle lies on a side of the hull (Freeman and Shapira 1975).
  for (let i = 0; i < hull.length; i++) {
    const from = hull[i]!;
    const to = hull[(i + 1) % hull.length]!;
    const candidate = boundsAt(hull, upright(Math.atan2(to[1] - from[1], to[0] - from[0])));
    if (best === undefined || candidate.width * candidate.height < best.width * best.height) {
      best = candidate;
    }
  }
  return best!;
}

/** The same direction of sides, as an angle in [−45°, 45°). */
function upright(angle: number): number {
  const quarter = Math.PI / 2;
  return angle - quarter * Math.floor((angle + quarter / 2) / quarter);
}

export function boundsAt(points: readonly Point[], angle: number): TurnedRectangle {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const along = points.map(([x, y]) => x * cos + y * sin);
  const across = points.map(([x, y]) => y * cos - x * sin);
  const [u0, u1] = [Math.min(...along), Math.max(...along)];
  const [v0, v1] = [Math.min(...across), Math.max(...across)];
  const [u, v] = [(u0 + u1) / 2, (v0 + v1) / 2];
  return {
    centre: [u * cos - v * sin, u * sin + v * cos],
    width: u1 - u0,
    height: v1 - v0,
    angle,
  };
}

/** The corners: left upper, right upper, right lower, left lower, as seen along the angle. */
export function corners({ centre, width, height, angle }: TurnedRectangle): readonly Point[] {
  const cos = Math.cos(angle) / 2;
  const sin = Math.sin(angle) / 2;
  const at = (across: number, down: number): Point => [
    centre[0] + across * width * cos - down * height * sin,
    centre[1] + across * width * sin + down * height * cos,
  ];
  return [at(-1, -1), at(1, -1), at(1, 1), at(-1, 1)];
}

/** The upright box around a rectangle: left, top, right, bottom. */
export function boundingBox(rectangle: TurnedRectangle): readonly [number, number, number, number] {
  const points = corners(rectangle);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** Moves every side outwards by `distance`. */
export function grow(rectangle: TurnedRectangle, distance: number): TurnedRectangle {
  return {
    ...rectangle,
    width: rectangle.width + 2 * distance,
    height: rectangle.height + 2 * distance,
  };
}
