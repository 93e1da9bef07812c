/** Where on a picture the plate is: looks at a vehicle, closer, and elsewhere when it is not found. */
import type { TurnedRectangle } from "./geometry.ts";
import { boundingBox, grow, shifted } from "./geometry.ts";
import type { Box, RgbImage } from "./image.ts";
import { clamp, cropImage } from "./image.ts";
import type { Ocr } from "./ocr.ts";
import type { ReadLine } from "./plate-choice.ts";
import {
  choosePlate,
  holdsMiddle,
  plateCandidates,
  plateLikeness,
  plateLine,
} from "./plate-choice.ts";

/** Lines read in one view at most; each takes about 10 ms. */
const MAX_LINES = 5;
/** A line below this likeness is no plate. */
const MIN_LIKENESS = 0.4;
/** Below this likeness the search goes on elsewhere; a word without digits never reaches it. */
const SURE_LIKENESS = 0.6;
/** Longer side, in pixels, of the close look around the likeliest line; it takes about 3 ms. */
const CLOSE_SIDE = 192;
/** Above this likeness a line is not read again. */
const CLEAR_LIKENESS = 0.95;
/** The likeliest line is read again with so much added on each side, in shares of its height. */
const MARGINS = [0.08, -0.08];
/** A reading that only adds characters is believed even when it is this much less likely. */
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
  let best: ReadLine | undefined;
  for (const view of [vehicle, ...parts(vehicle, side), ...surroundings(image, vehicle)]) {
    const line = await readView(ocr, image, view, side);
    if (line !== undefined && (best === undefined || isLikelier(line, best))) best = line;
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

/**
 * The likeliest line of a view: looked at closer, as the ends of a plate are often cut off at a
 * small side, and read with other margins, as the reader is unsure near a plate's frame.
 */
async function readView(
  ocr: Ocr,
  image: RgbImage,
  view: Box,
  side: number,
): Promise<ReadLine | undefined> {
  const read = async (line: TurnedRectangle) => plateLine(line, await ocr.read(image, line));
  const lines: ReadLine[] = [];
  for (const line of await linesIn(ocr, image, view, side)) lines.push(await read(line));
  const first = choosePlate(lines);
  if (first === undefined) return undefined;
  let best = first;
  for (const line of await linesIn(ocr, image, around(first.rectangle), CLOSE_SIDE)) {
    if (!holdsMiddle(line, first.rectangle)) continue;
    const closer = await read(line);
    const addsOnly = closer.text.length > best.text.length && closer.text.includes(best.text);
    if (isLikelier(closer, best, addsOnly ? MAX_LOSS : 0)) best = closer;
  }
  if (plateLikeness(best) >= CLEAR_LIKENESS) return best;
  const { rectangle } = best;
  for (const margin of MARGINS) {
    const again = await read(grow(rectangle, margin * rectangle.height));
    if (isLikelier(again, best)) best = { ...again, rectangle };
  }
  return best;
}

function isLikelier(line: ReadLine, best: ReadLine, maxLoss = 0): boolean {
  return plateLikeness(line) > plateLikeness(best) - maxLoss;
}

/** Lines of a plate's shape in a part of the image, in the image's pixels. */
async function linesIn(
  ocr: Ocr,
  image: RgbImage,
  view: Box,
  side: number,
): Promise<readonly TurnedRectangle[]> {
  const left = clamp(Math.floor(view[0]), 0, image.width - 1);
  const top = clamp(Math.floor(view[1]), 0, image.height - 1);
  const regions = await ocr.locate(cropImage(image, view), side);
  const lines = regions.map(({ rectangle }) => shifted(rectangle, left, top));
  return plateCandidates(lines, MAX_LINES);
}

function around(line: TurnedRectangle): Box {
  const { width, height } = line;
  return boundingBox({ ...line, width: 2 * width + 2 * height, height: 2.5 * height });
}
