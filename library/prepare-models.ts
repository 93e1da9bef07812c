/** `prepareModels`: everything that calibrations and real runs of the built-in models need on this machine. */
import { loadImages } from "../models/scenes.ts";
import { loadOnnxRuntime } from "../models/session.ts";
import { prepareModels as fetched } from "../models/store.ts";
import type { Watch } from "./follow.ts";

/**
 * Loads ONNX Runtime, reads the photographs of the folder `images`, and fetches the weights of the built-in models where
 * they are not at hand. Rejects with Fault("not-found") or Fault("invalid-input") for pictures that cannot be read,
 * before it fetches anything.
 */
export async function prepareModels({
  images,
  onNote,
}: Pick<Watch, "onNote"> & { readonly images?: string | undefined } = {}): Promise<void> {
  await loadOnnxRuntime();
  if (images !== undefined) await loadImages(images);
  await fetched({ onProgress: ({ step, subject }) => onNote?.(`${step} ${subject}`) });
}
