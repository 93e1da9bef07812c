/** Object detection: SSD-MobileNetV2 trained on COCO, as a task of a pipeline. */
import { readFile } from "node:fs/promises";
import { settle } from "./batch.ts";
import { COCO_LABELS } from "./coco-labels.ts";
import type { Box, RgbImage } from "./image.ts";
import { decodeImage } from "./image.ts";
import { DETECTOR_PACKAGE } from "./model-packages.ts";
import { cpuProvenance, infer, openSession } from "./session.ts";
import type { Detection } from "./ssd.ts";
import { decodeSsd, suppress } from "./ssd.ts";
import type { PreparedModels } from "./store.ts";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";
import { DETECTOR_SIDE } from "./tfjs-to-onnx.ts";

export interface DetectedObject {
  /** A COCO class name. */
  readonly label: string;
  /** From 0 to 1. */
  readonly score: number;
  readonly box: Box;
}

/** `value` of the detector's output: the image's size in pixels, and the objects, best first. */
export interface DetectorValue {
  readonly width: number;
  readonly height: number;
  readonly objects: readonly DetectedObject[];
}

export interface DetectorParameters {
  /** Objects below this score are not reported; from 0 to 1, default 0.5. */
  readonly minScore?: number;
}

/** Boxes of one class that overlap more are one object; the model's own setting. */
const MAX_OVERLAP = 0.6;
const MAX_OBJECTS = 100;
const PLANE = DETECTOR_SIDE * DETECTOR_SIDE;

/** Opens the detector. One batch is one inference. */
export async function openDetector(
  models: PreparedModels,
  { minScore = 0.5 }: DetectorParameters = {},
): Promise<TaskModel> {
  const weights = models.files["ssd-mobilenet-v2.onnx"];
  const anchorsFile = models.files["ssd-mobilenet-v2.anchors.f32"];
  const anchors = new Float32Array(new Uint8Array(await readFile(anchorsFile.path)).buffer);
  const session = await openSession(weights);

  async function detect(images: readonly RgbImage[]): Promise<readonly TaskOutput[]> {
    if (images.length === 0) return [];
    const { boxes, scores } = await infer(session, planes(images), [
      images.length,
      3,
      DETECTOR_SIDE,
      DETECTOR_SIDE,
    ]);
    return images.map((image, i) => {
      const codes = row(boxes!.data, i, images.length);
      const found = decodeSsd(codes, row(scores!.data, i, images.length), anchors, minScore);
      return detectorOutput(image, suppress(found, MAX_OVERLAP, MAX_OBJECTS));
    });
  }

  return {
    provenance: cpuProvenance(
      {
        name: "ssd-mobilenet-v2",
        source: `npm:${DETECTOR_PACKAGE.name}@${DETECTOR_PACKAGE.version}`,
        license: DETECTOR_PACKAGE.license,
      },
      [weights, anchorsFile],
    ),
    async run(batch: readonly TaskInput[]) {
      const images = await settle(batch, ({ payload }) => decodeImage(payload, DETECTOR_SIDE));
      const outputs = await detect(
        images.filter((image): image is RgbImage => !(image instanceof Error)),
      );
      const next = outputs.values();
      return images.map((image) => (image instanceof Error ? image : next.next().value!));
    },
    close: () => session.release(),
  };
}

/** [N,3,side,side], RGB / 127.5 − 1. */
function planes(images: readonly RgbImage[]): Float32Array {
  const input = new Float32Array(images.length * 3 * PLANE);
  images.forEach(({ rgb }, n) => {
    for (let channel = 0; channel < 3; channel++) {
      const start = (n * 3 + channel) * PLANE;
      for (let i = 0; i < PLANE; i++) input[start + i] = rgb[3 * i + channel]! / 127.5 - 1;
    }
  });
  return input;
}

function row(data: Float32Array, index: number, count: number): Float32Array {
  const length = data.length / count;
  return data.subarray(index * length, (index + 1) * length);
}

function detectorOutput({ width, height }: RgbImage, detections: readonly Detection[]): TaskOutput {
  const objects = detections.map(({ classId, score, box }): DetectedObject => {
    const [x0, y0, x1, y1] = box;
    const pixels = [x0 * width, y0 * height, x1 * width, y1 * height].map(Math.round);
    return { label: COCO_LABELS[classId]!, score, box: pixels as unknown as Box };
  });
  const value: DetectorValue = { width, height, objects };
  return { labels: [...new Set(objects.map(({ label }) => label))], value };
}
