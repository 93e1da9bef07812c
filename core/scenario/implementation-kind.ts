/** What kind of implementation a checked one is, and the backend that it asks for. */
import type { ImplementationDocument } from "./schema/implementation.ts";
import type { BackendName } from "./schema/run.ts";

/** By the key that names each. */
export const IMPLEMENTATION_KINDS = ["name", "onnx", "external", "command"] as const;

export type ImplementationKind = (typeof IMPLEMENTATION_KINDS)[number];

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
