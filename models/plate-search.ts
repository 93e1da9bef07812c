/** Where on a picture the plate is: looks at a vehicle, closer, and elsewhere when it is not found. */
import type { TurnedRectangle } from "./geometry.ts";
import { boundingBox, shifted } from "./geometry.ts";
import type { Box, RgbImage } from "./image.ts";
import { clamp, cropImage } from "./image.ts";
import type { Ocr } from "./ocr.ts";
import type { ReadLine } from "./plate-choice.ts";
import {
  choosePlate,
  plateCandidates,
  plateLikeness,
  plateLine,
  rank,
  refines,
} from "./plate-choice.ts";
import { placeWeight } from "./plate-place.ts";

/** Lines read in one view at most; each takes about 10 ms. */
const MAX_LINES = 5;
/** What is less like a plate is none. */
const MIN_LIKENESS = 0.45;
/** What is less like a plate is looked for elsewhere too. */
const SURE_LIKENESS = 0.6;
/** Longer side, in pixels, of the close look around the likeliest line; it takes about 3 ms. */
const CLOSE_SIDE = 192;
/** A longer reading is believed even when it is this much less like a plate than the shorter. */
const MAX_LOSS = 0.15;
/** Parts of a vehicle that are looked at when its plate is too small to be found: shares of it. */
const PARTS: readonly Box[] = [
  [0, 0.35, 0.6, 1],
  [0.4, 0.35, 1, 1],
];

/** The likeliest plate of the picture, in its pixels; undefined when there is none. */
export async function findPlate(
  ocr: Ocr,
  image: RgbImage,
  vehicle: Box,
  side: number,
): Promise<ReadLine | undefined> {
  const views = [vehicle, ...parts(vehicle, side), ...surroundings(image, vehicle)];
  let best: ReadLine | undefined;
  for (const view of views) {
    const line = await readView(ocr, image, view, vehicle, side);
    if (line !== undefined && (best === undefined || rank(line) > rank(best))) best = line;
    if (best !== undefined && plateLikeness(best) >= SURE_LIKENESS) break;
  }
  return best !== undefined && plateLikeness(best) >= MIN_LIKENESS ? best : undefined;
}

/** Smaller views of a vehicle that has more pixels than are looked at. */
function parts([x0, y0, x1, y1]: Box, side: number): readonly Box[] {
  const [width, height] = [x1 - x0, y1 - y0];
  if (Math.max(width, height) < side) return [];
  return PARTS.map(([left, top, right, bottom]) => [
    x0 + left * width,
    y0 + top * height,
    x0 + right * width,
    y0 + bottom * height,
  ]);
}

/** The whole picture, where the vehicle is only a part of it. */
function surroundings({ width, height }: RgbImage, [x0, y0, x1, y1]: Box): readonly Box[] {
  return (x1 - x0) * (y1 - y0) < 0.8 * width * height ? [[0, 0, width, height]] : [];
}

async function readView(
  ocr: Ocr,
  image: RgbImage,
  view: Box,
  vehicle: Box,
  side: number,
): Promise<ReadLine | undefined> {
  const read = async (lines: readonly TurnedRectangle[]): Promise<readonly ReadLine[]> => {
    const all: ReadLine[] = [];
    for (const line of lines) {
      all.push(plateLine(line, await ocr.read(image, line), placeWeight(image, vehicle, line)));
    }
    return all;
  };
  const lines = await linesIn(ocr, image, view, side);
  const first = choosePlate(await read(plateCandidates(lines, MAX_LINES)), 0);
  if (first === undefined) return undefined;
  const near = await linesIn(ocr, image, around(first.rectangle), CLOSE_SIDE);
  const candidates = plateCandidates(near, MAX_LINES);
  const second = await read(candidates.filter((line) => refines(first, line)));
  return second.reduce((best, line) => (isBetter(line, best) ? line : best), first);
}

function isBetter(line: ReadLine, best: ReadLine): boolean {
  const goesOn = line.text.length > best.text.length && line.text.includes(best.text);
  return plateLikeness(line) > plateLikeness(best) - (goesOn ? MAX_LOSS : 0);
}

/** Lines of text in a part of the image, in the image's pixels. */
async function linesIn(
  ocr: Ocr,
  image: RgbImage,
  view: Box,
  side: number,
): Promise<readonly TurnedRectangle[]> {
  const left = clamp(Math.floor(view[0]), 0, image.width - 1);
  const top = clamp(Math.floor(view[1]), 0, image.height - 1);
  const regions = await ocr.locate(cropImage(image, view), side);
  return regions.map(({ rectangle }) => shifted(rectangle, left, top));
}

/** On a small picture of a vehicle the ends of a plate are often cut off. */
function around(line: TurnedRectangle): Box {
  return boundingBox({
    ...line,
    width: 2 * line.width + 2 * line.height,
    height: 2.5 * line.height,
  });
}
