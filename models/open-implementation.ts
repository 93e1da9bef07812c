/** A model's implementation, as a scenario declares it, opened: a built-in model or an ONNX file. */
import { basename, resolve } from "node:path";
import { Fault } from "../core/fault.ts";
import type { ImplementationDocument } from "../core/scenario/schema/implementation.ts";
import { type OpenOptions, openTaskModel } from "./registry.ts";
import type { TaskModel } from "./task-model.ts";

export interface ImplementationOptions extends OpenOptions {
  /** Where the paths in it start. */
  readonly folder: string;
}

/**
 * Opens what runs in this process.
 * Throws Fault("invalid-input") for other kinds, and what the model's opening throws.
 */
export async function openImplementation(
  implementation: ImplementationDocument,
  options: ImplementationOptions,
): Promise<TaskModel> {
  const { name, parameters, onnx, provider, threads } = implementation;
  const { folder, cacheDir } = options;
  if (name !== undefined) {
    const session = { provider, threads };
    return openTaskModel(name, parameters, {
      session,
      ...(cacheDir === undefined ? {} : { cacheDir }),
    });
  }
  if (onnx === undefined) {
    throw new Fault("invalid-input", "the implementation is neither a built-in model nor a file");
  }
  const { openDeclaredModel } = await import("./declared-model.ts");
  const { openEngine } = await import("./session.ts");
  const path = resolve(folder, onnx);
  const about = {
    name: basename(onnx, ".onnx"),
    source: `file ${onnx}`,
    license: "the user's own",
  };
  return openDeclaredModel(
    await openEngine(path, about, { provider, threads }),
    implementation,
    folder,
  );
}
