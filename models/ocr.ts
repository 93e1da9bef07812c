/** PP-OCRv4's two networks: where text is, and what it says. */
import { readFile } from "node:fs/promises";
import type { CtcText } from "./ctc.ts";
import { decodeCtc } from "./ctc.ts";
import type { TurnedRectangle } from "./geometry.ts";
import { corners, smallestRectangle } from "./geometry.ts";
import type { RgbImage } from "./image.ts";
import { resizeImage } from "./image.ts";
import { infer, openSession } from "./session.ts";
import type { PreparedModels } from "./store.ts";
import { cutLine } from "./text-line.ts";
import type { TextRegion, TextRegionOptions } from "./text-regions.ts";
import { textRegions } from "./text-regions.ts";

export interface Ocr {
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

const REGIONS: TextRegionOptions = { minProbability: 0.3, minScore: 0.5, growth: 1.8 };

/** Per channel, blue first. Source: ImageNet's statistics, as PP-OCR was trained with. */
const MEAN = [0.406 * 255, 0.456 * 255, 0.485 * 255];
const DEVIATION = [0.225 * 255, 0.224 * 255, 0.229 * 255];
const HALF = [127.5, 127.5, 127.5];

export async function openOcr(models: PreparedModels): Promise<Ocr> {
  const detection = await openSession(models.files["ppocr-v4-detection.onnx"]);
  const recognition = await openSession(models.files["ppocr-v4-recognition.onnx"]);
  const keys = await readFile(models.files["ppocr-v4-characters.txt"].path, "utf8");
  const characters = [...keys.replace(/\r?\n$/, "").split(/\r?\n/), " "];
  return {
    async locate(image, side) {
      const scale = side / Math.max(image.width, image.height);
      const width = toGrid(image.width * scale);
      const height = toGrid(image.height * scale);
      const small = await resizeImage(image, width, height);
      const input = bluePlanes(small, width, MEAN, DEVIATION);
      const output = Object.values(await infer(detection, input, [1, 3, height, width]))[0]!;
      const regions = textRegions(output.data, width, REGIONS);
      return regions.map(({ rectangle, score }) => ({
        rectangle: stretched(rectangle, image.width / width, image.height / height),
        score,
      }));
    },
    async read(image, line) {
      const cut = cutLine(image, line, LINE_HEIGHT);
      const width = Math.max(cut.width, MIN_LINE_WIDTH);
      const input = bluePlanes(cut, width, HALF, HALF);
      const output = Object.values(await infer(recognition, input, [1, 3, LINE_HEIGHT, width]))[0]!;
      return decodeCtc(output.data, characters);
    },
    async close() {
      await detection.release();
      await recognition.release();
    },
  };
}

function toGrid(pixels: number): number {
  return Math.max(Math.round(pixels / GRID), 1) * GRID;
}

function stretched(rectangle: TurnedRectangle, x: number, y: number): TurnedRectangle {
  return smallestRectangle(corners(rectangle).map((corner) => [corner[0] * x, corner[1] * y]));
}

/** [3,height,width], blue first, (pixel − mean) / deviation; columns beyond the image are 0. */
function bluePlanes(
  image: RgbImage,
  width: number,
  mean: readonly number[],
  deviation: readonly number[],
): Float32Array {
  const planes = new Float32Array(3 * image.height * width);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < image.width; x++) {
        const pixel = image.rgb[(y * image.width + x) * 3 + 2 - channel]!;
        planes[(channel * image.height + y) * width + x] =
          (pixel - mean[channel]!) / deviation[channel]!;
      }
    }
  }
  return planes;
}
