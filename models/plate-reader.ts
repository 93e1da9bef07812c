/** Reading number plates: PP-OCRv4 on the best vehicle of an image, as a task of a pipeline. */
import { settle } from "./batch.ts";
import { boundingBox } from "./geometry.ts";
import type { Box } from "./image.ts";
import { decodeImage } from "./image.ts";
import { OCR_PACKAGE } from "./model-packages.ts";
import { openOcr } from "./ocr.ts";
import { type ReadLine, withLikelyEnds } from "./plate-choice.ts";
import { findPlate } from "./plate-search.ts";
import type { SessionOptions } from "./session.ts";
import type { PreparedModels } from "./store.ts";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";
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
