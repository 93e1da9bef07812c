/** Kinds of implementations. Workers and their models' threads load this file, so it imports no schema. */
import type { ImplementationDocument } from "./schema/implementation.ts";
import type { BackendName } from "./schema/run.ts";

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
): Exclude<BackendName, "replay" | "real"> {
  const kind = kindOf(implementation);
  if (kind === "command") return "process";
  return kind === "name" ? "onnx" : kind;
}
