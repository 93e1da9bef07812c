/**
 * ONNX Runtime sessions as all models here use them: on the CPU, one thread, in the calling thread.
 */
import * as ort from "onnxruntime-node";
import type { ModelFile } from "./store.ts";
import type { ModelProvenance } from "./task-model.ts";

/** Opens a model file; takes 80 to 300 ms. */
export function openSession(file: ModelFile): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(file.path, {
    executionProviders: ["cpu"],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
  });
}

/** Runs a session with one float32 input and gives the float32 outputs by name. */
export async function infer(
  session: ort.InferenceSession,
  data: Float32Array,
  shape: readonly number[],
): Promise<Readonly<Record<string, { data: Float32Array; dims: readonly number[] }>>> {
  const input = new ort.Tensor("float32", data, shape);
  const outputs = await session.run({ [session.inputNames[0]!]: input });
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data, dims }]) => [
      name,
      { data: data as Float32Array, dims },
    ]),
  );
}

/** The provenance of a model that runs in such sessions. */
export function cpuProvenance(
  model: Pick<ModelProvenance, "name" | "source" | "license">,
  files: readonly ModelFile[],
): ModelProvenance {
  return {
    ...model,
    files: files.map(({ name, sha256 }) => ({ name, sha256 })),
    runtime: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    provider: "cpu",
  };
}
