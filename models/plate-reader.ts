/**
 * Reads number plates with PP-OCRv4, as a task of a pipeline: looks at the best vehicle of an
 * image, closer, and elsewhere when it finds no plate, and chooses among the texts by signs that
 * hold in any country.
 */

import { type Box, decodeImage, type RgbImage } from "./image.ts";
import { bestObject } from "./objects.ts";
import {
  boundingBox,
  boundsAt,
  corners,
  grow,
  type Ocr,
  openOcr,
  type TurnedRectangle,
} from "./ocr.ts";
import type { CtcText } from "./output-steps.ts";
import type { SessionOptions } from "./session.ts";
import { OCR_PACKAGE, type PreparedModels } from "./store.ts";
import { settle, type TaskInput, type TaskModel, type TaskOutput } from "./task-model.ts";

export interface PlateValue {
  /** Capitals and digits without spaces; null when no plate was found. */
  readonly plate: string | null;
  /** Mean probability of the characters, from 0 to 1; 0 without a plate. */
  readonly confidence: number;
  /** Around the plate, in pixels of the whole image; null without a plate. */
  readonly box: Box | null;
}

interface PlateReaderParameters {
  /**
   * The vehicle is scaled so that its longer side has this many pixels before text is looked for; a
   * multiple of 32, default 320. More finds more, at a cost that grows with its square.
   */
  readonly side?: number;
}

const FILES = [
  "ppocr-v4-detection.onnx",
  "ppocr-v4-recognition.onnx",
  "ppocr-v4-characters.txt",
] as const;
const NO_PLATE: PlateValue = { plate: null, confidence: 0, box: null };
const VEHICLES: ReadonlySet<string> = new Set(["car", "truck", "bus", "motorcycle"]);
/** Share of a vehicle's box added on each side: plates hang at the lower edge. */
const MARGIN = 0.06;

/**
 * Opens the plate reader. It looks at the best vehicle among the `objects` of any upstream output,
 * or at the whole image when there is none. Images of a batch are read one by one: their crops
 * differ in shape, and padding them to one shape changes what is read.
 */
export async function openPlateReader(
  models: PreparedModels,
  { side = 320 }: PlateReaderParameters = {},
  session: SessionOptions = {},
): Promise<TaskModel> {
  const about = {
    name: `plate-reader-${side}`,
    source: `npm:${OCR_PACKAGE.name}@${OCR_PACKAGE.version}`,
    license: OCR_PACKAGE.license,
  };
  const ocr = await openOcr(models, about, session);
  const files = FILES.map((name) => ({ name, sha256: models.files[name].sha256 }));
  return {
    provenance: { ...ocr.provenance, files },
    inputs: null,
    outputs: null,
    run: (batch: readonly TaskInput[]) =>
      settle(batch, async ({ payload, upstream }) => {
        const image = await decodeImage(payload);
        const whole: Box = [0, 0, image.width, image.height];
        const box = bestObject(upstream, VEHICLES, MARGIN, whole) ?? whole;
        return plateOutput(await findPlate(ocr, image, box, side));
      }),
    close: () => ocr.close(),
  };
}

function plateOutput(plate: ReadLine | undefined): TaskOutput {
  if (plate === undefined) return { labels: [], value: NO_PLATE };
  const box = boundingBox(plate.rectangle).map(Math.round) as unknown as Box;
  const { text, confidence } = plate;
  const value: PlateValue = { plate: withLikelyEnds(text), confidence, box };
  return { labels: ["plate"], value };
}

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
  return plateCandidates(await ocr.locate(image, view, side), MAX_LINES);
}

function around(line: TurnedRectangle): Box {
  const { width, height } = line;
  return boundingBox({ ...line, width: 2 * width + 2 * height, height: 2.5 * height });
}

/** A line of text that was read, reduced to capitals and digits: plates have no others. */
interface ReadLine {
  readonly rectangle: TurnedRectangle;
  readonly text: string;
  /** Mean probability of the characters in `text`, from 0 to 1; 0 when there are none. */
  readonly confidence: number;
}

/** How usual a plate of each length is; a longer one counts 0.1. */
const BY_LENGTH = [0, 0, 0.1, 0.3, 0.7, 0.95, 1, 1, 1, 0.8, 0.5];
/** Words are mostly makers and dealers, numbers mostly telephones and dates. */
const ONE_KIND = 0.5;

/** Accents are dropped; small letters are seals, slogans and dealers. */
export function plateLine(rectangle: TurnedRectangle, { text, probabilities }: CtcText): ReadLine {
  let kept = "";
  let sum = 0;
  [...text].forEach((character, i) => {
    const [plain = ""] = character.normalize("NFKD");
    if (!/[A-Z0-9]/.test(plain)) return;
    kept += plain;
    sum += probabilities[i]!;
  });
  return { rectangle, text: kept, confidence: sum / Math.max(kept.length, 1) };
}

/** How much a line is like a plate, from 0 to 1: its confidence, weighted by length and kind. */
export function plateLikeness({ text, confidence }: Pick<ReadLine, "text" | "confidence">): number {
  const byKind = /\d/.test(text) && /[A-Z]/.test(text) ? 1 : ONE_KIND;
  return confidence * (BY_LENGTH[text.length] ?? 0.1) * byKind;
}

/** The lines of a plate's shape, largest first. */
function plateCandidates(
  lines: readonly TurnedRectangle[],
  maxCount: number,
): readonly TurnedRectangle[] {
  return lines
    .filter(({ width, height }) => width > 1.2 * height && width < 12 * height)
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .slice(0, maxCount);
}

/** The likeliest line or pair of short lines above each other; undefined when none has text. */
export function choosePlate(lines: readonly ReadLine[]): ReadLine | undefined {
  const stacked = lines.flatMap((upper) =>
    lines.filter((lower) => isBelow(upper, lower)).map((lower) => stack(upper, lower)),
  );
  let best: ReadLine | undefined;
  for (const line of [...lines, ...stacked]) {
    if (plateLikeness(line) > (best === undefined ? 0 : plateLikeness(best))) best = line;
  }
  return best;
}

/** Whether the middle of `inner` lies on `line`. */
function holdsMiddle(line: TurnedRectangle, inner: TurnedRectangle): boolean {
  const { along, across } = offset(line, inner);
  return Math.abs(along) < line.width / 2 && Math.abs(across) < line.height / 2;
}

function isBelow(upper: ReadLine, lower: ReadLine): boolean {
  const [a, b] = [upper.rectangle, lower.rectangle];
  const { along, across } = offset(a, b);
  const [low, tall] = [Math.min(a.height, b.height), Math.max(a.height, b.height)];
  const isShort = upper.text.length <= 4 && lower.text.length <= 5;
  const isAlike = low > 0.6 * tall && Math.abs(a.angle - b.angle) < 0.25;
  const isNext = across > 0.6 * tall && across < 1.8 * tall && Math.abs(along) < 1.5 * tall;
  return isShort && isAlike && isNext;
}

function stack(upper: ReadLine, lower: ReadLine): ReadLine {
  const [a, b] = [upper.rectangle, lower.rectangle];
  return {
    rectangle: boundsAt([...corners(a), ...corners(b)], a.width > b.width ? a.angle : b.angle),
    text: upper.text + lower.text,
    confidence: Math.min(upper.confidence, lower.confidence),
  };
}

/**
 * O and 0 look alike on plates, and letters and digits come in groups: at an end, one of them is
 * taken to be of its neighbour's kind, as a lone 0 or O is rarer than one that ends a group.
 */
export function withLikelyEnds(text: string): string {
  const letters = text.replace(/^0(?=[A-Z])|(?<=[A-Z])0$/g, "O");
  return letters.replace(/^O(?=\d)|(?<=\d)O$/g, "0");
}

/** From centre to centre, along and across the first one's angle. */
function offset(from: TurnedRectangle, to: TurnedRectangle): { along: number; across: number } {
  const [dx, dy] = [to.centre[0] - from.centre[0], to.centre[1] - from.centre[1]];
  const [cos, sin] = [Math.cos(from.angle), Math.sin(from.angle)];
  return { along: dx * cos + dy * sin, across: dy * cos - dx * sin };
}
