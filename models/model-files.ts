/** The files that models read when they open, so that a worker on another machine can have them. */
import { isKnownLabels } from "../core/scenario/implementation-kinds.ts";
import type { ImplementationDocument } from "../core/scenario/schema/implementation.ts";

/** Paths as written, each once. Credentials are none of them: they stay where they are. */
export function filesOf(implementations: readonly ImplementationDocument[]): readonly string[] {
  const files = implementations.flatMap(({ onnx, postprocess = [] }) => [
    onnx,
    ...postprocess.flatMap(({ yolo, ssd, topK, ctc }) => [
      ssd?.anchors,
      ctc?.characters,
      ...[yolo?.labels, ssd?.labels, topK?.labels].filter(
        (labels) => typeof labels === "string" && !isKnownLabels(labels),
      ),
    ]),
  ]);
  return [...new Set(files.filter((file) => typeof file === "string"))];
}

/** Whether one of them is a built-in model whose weights the store holds. */
export function needsStore(implementations: readonly ImplementationDocument[]): boolean {
  return implementations.some(({ name }) => name === "ssd-mobilenet-v2" || name === "plate-reader");
}
