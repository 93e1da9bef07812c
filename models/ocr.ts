/** PP-OCRv4's two networks: where text is, and what it says. */
import { readFile } from "node:fs/promises";
import type { CtcText } from "./ctc.ts";
import { decodeCtc } from "./ctc.ts";
import type { Engine } from "./engine.ts";
import type { TurnedRectangle } from "./geometry.ts";
import { corners, smallestRectangle } from "./geometry.ts";
import type { RgbImage } from "./image.ts";
import { resizeImage } from "./image.ts";
import { valueTables } from "./image-steps.ts";
import type { SessionOptions } from "./session.ts";
import { openEngine } from "./session.ts";
import type { PreparedModels } from "./store.ts";
import type { ModelProvenance } from "./task-model.ts";
import { floatsOf, floatTensor } from "./tensor.ts";
import { cutLine } from "./text-line.ts";
import type { TextRegion, TextRegionOptions } from "./text-regions.ts";
import { textRegions } from "./text-regions.ts";

export interface Ocr {
  /** Of the first of its two graphs. */
  readonly provenance: ModelProvenance;
  /** Lines of text in pixels of `image`, which is scaled so that its longer side is `side`. */
  locate(image: RgbImage, side: number): Promise<readonly TextRegion[]>;
  /** Reads one line. */
  read(image: RgbImage, line: TurnedRectangle): Promise<CtcText>;
  close(): Promise<void>;
}

/** Height of a line at the recogniser's input, in pixels. */
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
    async locate(image, side) {
      const scale = side / Math.max(image.width, image.height);
      const width = toGrid(image.width * scale);
      const height = toGrid(image.height * scale);
      const small = await resizeImage(image, width, height);
      const input = bluePlanes(small, width, IMAGENET);
      const map = await infer(detection, input, [1, 3, height, width]);
      const regions = textRegions(map, width, REGIONS);
      return regions.map(({ rectangle, score }) => ({
        rectangle: stretched(rectangle, image.width / width, image.height / height),
        score,
      }));
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
