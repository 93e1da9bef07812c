/** Reading number plates: PP-OCRv4 on the best vehicle of an image, as a task of a pipeline. */
import { settle } from "./batch.ts";
import type { TurnedRectangle } from "./geometry.ts";
import { corners } from "./geometry.ts";
import type { Box, RgbImage } from "./image.ts";
import { clamp, cropImage, decodeImage } from "./image.ts";
import { OCR_PACKAGE } from "./model-packages.ts";
import type { Ocr } from "./ocr.ts";
import { openOcr } from "./ocr.ts";
import type { ReadLine } from "./plate-choice.ts";
import {
  choosePlate,
  extendsLine,
  plateCandidates,
  plateLikeness,
  plateLine,
} from "./plate-choice.ts";
import { placeWeight } from "./plate-place.ts";
import type { SessionOptions } from "./session.ts";
import type { PreparedModels } from "./store.ts";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";
import type { TextRegion } from "./text-regions.ts";
import { bestObject } from "./upstream-objects.ts";

/** `value` of the plate reader's output. */
export interface PlateValue {
  /** Capitals and digits without spaces; null when no plate was found. */
  readonly plate: string | null;
  /** Mean probability of the characters, from 0 to 1; 0 without a plate. */
  readonly confidence: number;
  /** Around the plate, in pixels of the whole image; null without a plate. */
  readonly box: Box | null;
}

export interface PlateReaderParameters {
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
const VEHICLES: ReadonlySet<string> = new Set(["car", "truck", "bus", "motorcycle"]);
/** Share of a vehicle's box added on each side: plates hang at the lower edge. */
const MARGIN = 0.06;
/** Lines read in one image at most; each takes about 10 ms. */
const MAX_LINES = 5;
const MIN_LIKENESS = 0.45;
/** Longer side, in pixels, of the close look around the likeliest line; it takes about 3 ms. */
const SECOND_SIDE = 192;
/** The close look is believed even when it is this much less like a plate than the first. */
const MAX_LOSS = 0.15;

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
        const plate = await readPlate(ocr, cropImage(image, box), side);
        return plateOutput(plate, box);
      }),
    close: () => ocr.close(),
  };
}

async function readPlate(ocr: Ocr, vehicle: RgbImage, side: number): Promise<ReadLine | undefined> {
  const regions = await ocr.locate(vehicle, side);
  const first = await readLines(ocr, vehicle, plateCandidates(rectangles(regions), MAX_LINES));
  const hint = choosePlate(first, 0);
  if (hint === undefined) return undefined;
  const wider = await readLines(ocr, vehicle, await secondLook(ocr, vehicle, hint.rectangle));
  const plate = choosePlate(wider, plateLikeness(hint) - MAX_LOSS) ?? hint;
  return plateLikeness(plate) >= MIN_LIKENESS ? plate : undefined;
}

async function readLines(
  ocr: Ocr,
  vehicle: RgbImage,
  lines: readonly TurnedRectangle[],
): Promise<readonly ReadLine[]> {
  const read: ReadLine[] = [];
  for (const line of lines) {
    read.push(plateLine(line, await ocr.read(vehicle, line), placeWeight(vehicle, line)));
  }
  return read;
}

/**
 * Looks again, closely, around a line: on a small picture of a vehicle the ends of a plate are
 * often cut off. Gives the lines that hold the first one and go on beyond its ends.
 */
async function secondLook(
  ocr: Ocr,
  vehicle: RgbImage,
  line: TurnedRectangle,
): Promise<readonly TurnedRectangle[]> {
  const box = boundingBox({
    ...line,
    width: 2 * line.width + 2 * line.height,
    height: 2.5 * line.height,
  });
  const left = clamp(Math.floor(box[0]), 0, vehicle.width);
  const top = clamp(Math.floor(box[1]), 0, vehicle.height);
  const regions = await ocr.locate(cropImage(vehicle, box), SECOND_SIDE);
  const lines = rectangles(regions).map((rectangle) => ({
    ...rectangle,
    centre: [rectangle.centre[0] + left, rectangle.centre[1] + top] as const,
  }));
  return plateCandidates(lines, MAX_LINES).filter((candidate) => extendsLine(line, candidate));
}

function plateOutput(plate: ReadLine | undefined, [left, top]: Box): TaskOutput {
  if (plate === undefined) {
    const value: PlateValue = { plate: null, confidence: 0, box: null };
    return { labels: [], value };
  }
  const [x0, y0, x1, y1] = boundingBox(plate.rectangle).map(Math.round) as unknown as Box;
  const box: Box = [x0 + left, y0 + top, x1 + left, y1 + top];
  const value: PlateValue = { plate: plate.text, confidence: plate.confidence, box };
  return { labels: ["plate"], value };
}

function rectangles(regions: readonly TextRegion[]): readonly TurnedRectangle[] {
  return regions.map(({ rectangle }) => rectangle);
}

function boundingBox(rectangle: TurnedRectangle): Box {
  const points = corners(rectangle);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
