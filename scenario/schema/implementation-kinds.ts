/**
 * Kinds of implementations, and the files that they name. Workers and their models' threads load this
 * file, so it imports no schema.
 */
import type { ImplementationDocument } from "./implementation.ts";
import type { BackendName } from "./run.ts";

/** Class names that need no file. */
export function isKnownLabels(labels: string): labels is "coco" | "coco-91" {
  return labels === "coco" || labels === "coco-91";
}

export const IMPLEMENTATION_KINDS = ["name", "onnx", "external", "command"] as const;

type ImplementationKind = (typeof IMPLEMENTATION_KINDS)[number];

export function kindOf(implementation: ImplementationDocument): ImplementationKind {
  return IMPLEMENTATION_KINDS.find((kind) => implementation[kind] !== undefined) ?? "name";
}

export function backendOf(
  implementation: ImplementationDocument,
): Exclude<BackendName, "replay" | "engines" | "real"> {
  const kind = kindOf(implementation);
  if (kind === "command") return "process";
  return kind === "name" ? "onnx" : kind;
}

/** Paths of the files that a model reads, by their place in it, as `postprocess.0.yolo.labels`. */
export function fileEntries({
  onnx,
  external,
  postprocess = [],
}: ImplementationDocument): readonly (readonly [place: string, path: string])[] {
  const { ca, certificate, key } = external?.tls ?? {};
  const found = new Map<string, unknown>([
    ["onnx", onnx],
    ["external.tls.ca", ca],
    ["external.tls.certificate", certificate],
    ["external.tls.key", key],
    ["external.token.file", external?.token?.file],
  ]);
  for (const [i, { yolo, ssd, ctc, topK }] of postprocess.entries()) {
    found.set(`postprocess.${i}.ssd.anchors`, ssd?.anchors);
    found.set(`postprocess.${i}.ctc.characters`, ctc?.characters);
    for (const [step, given] of Object.entries({ yolo, ssd, topK })) {
      found.set(`postprocess.${i}.${step}.labels`, given?.labels);
    }
  }
  return [...found].flatMap(([place, path]) =>
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

/** Whether models without tokens are replayed: their answers, and what depends on them, are drawn. */
export function replays(backend: BackendName): boolean {
  return backend === "replay" || backend === "engines";
}
