/** Object detection: SSD-MobileNetV2 trained on COCO, in the steps that any ONNX file may declare. */
import { type Declaration, openDeclaredModel } from "./declared-model.ts";
import { DETECTOR_PACKAGE } from "./model-packages.ts";
import { openEngine, type SessionOptions } from "./session.ts";
import type { PreparedModels } from "./store.ts";
import type { TaskModel } from "./task-model.ts";
import { DETECTOR_SIDE } from "./tfjs-to-onnx.ts";

export interface DetectorParameters {
  /** Objects below this score are not reported; from 0 to 1, default 0.3. */
  readonly minScore?: number;
}

/** A car that fills its picture, or is cut off by its edge, has seldom more than this. */
const DEFAULT_SCORE = 0.3;
/** Boxes of one class that overlap more are one object; the model's own setting. */
const MAX_OVERLAP = 0.6;
const MAX_OBJECTS = 100;

/** Opens the detector. One batch is one inference. */
export async function openDetector(
  models: PreparedModels,
  { minScore = DEFAULT_SCORE }: DetectorParameters = {},
  session: SessionOptions = {},
): Promise<TaskModel> {
  const weights = models.files["ssd-mobilenet-v2.onnx"];
  const anchors = models.files["ssd-mobilenet-v2.anchors.f32"];
  const about = {
    name: "ssd-mobilenet-v2",
    source: `npm:${DETECTOR_PACKAGE.name}@${DETECTOR_PACKAGE.version}`,
    license: DETECTOR_PACKAGE.license,
  };
  const engine = await openEngine(weights.path, about, session);
  const files = [...engine.provenance.files, { name: anchors.name, sha256: anchors.sha256 }];
  const declaration: Declaration = {
    batching: "auto",
    preprocess: [
      { decode: "rgb" },
      { resize: { width: DETECTOR_SIDE, height: DETECTOR_SIDE, fit: "stretch", fill: 0 } },
      { normalise: { scale: 1 / 127.5, mean: 1, deviation: 1 } },
    ],
    postprocess: [
      {
        ssd: {
          boxes: "boxes",
          scores: "scores",
          anchors: anchors.path,
          variances: [0.1, 0.2],
          background: true,
          minScore,
          labels: "coco-91",
        },
      },
      { suppress: { maxOverlap: MAX_OVERLAP, maxCount: MAX_OBJECTS, acrossClasses: false } },
    ],
  };
  const provenance = { ...engine.provenance, files };
  return openDeclaredModel({ ...engine, provenance }, declaration, models.dir);
}
