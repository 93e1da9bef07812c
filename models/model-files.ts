/** The files that models read when they open, so that a worker on another machine can have them. */
import { isKnownLabels } from "../core/scenario/implementation-kinds.ts";
import type { ImplementationDocument } from "../core/scenario/schema/implementation.ts";

/** Paths of files by their place in an implementation, as `postprocess.0.yolo.labels`. */
export function fileEntries({
  onnx,
  external,
  postprocess = [],
}: ImplementationDocument): readonly (readonly [place: string, path: string])[] {
  const { ca, certificate, key } = external?.tls ?? {};
  const found: (readonly [string, unknown])[] = [
    ["onnx", onnx],
    ...Object.entries({ ca, certificate, key }).map(
      ([k, path]) => [`external.tls.${k}`, path] as const,
    ),
    ["external.token.file", external?.token?.file],
    ...postprocess.flatMap(({ yolo, ssd, ctc, topK }, i) => [
      [`postprocess.${i}.ssd.anchors`, ssd?.anchors] as const,
      [`postprocess.${i}.ctc.characters`, ctc?.characters] as const,
      ...Object.entries({ yolo, ssd, topK }).map(
        ([step, given]) => [`postprocess.${i}.${step}.labels`, given?.labels] as const,
      ),
    ]),
  ];
  return found.flatMap(([place, path]) =>
    typeof path === "string" && !isKnownLabels(path) ? [[place, path] as const] : [],
  );
}

/** Paths as written, each once. Credentials are none of them: they stay where they are. */
export function filesOf(implementations: readonly ImplementationDocument[]): readonly string[] {
  const entries = implementations.flatMap(fileEntries);
  return [...new Set(entries.flatMap(([at, path]) => (at.startsWith("external") ? [] : [path])))];
}

/** Whether one of them is a built-in model whose weights the store holds. */
export function needsStore(implementations: readonly ImplementationDocument[]): boolean {
  return implementations.some(({ name }) => name === "ssd-mobilenet-v2" || name === "plate-reader");
}
