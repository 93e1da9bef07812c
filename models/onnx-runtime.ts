/** ONNX Runtime, an optional package: an install without it simulates, replays and serves other backends. */
import type * as Ort from "onnxruntime-node";
import { Fault } from "../core/fault.ts";

export type OnnxRuntime = typeof Ort;

/**
 * Loads it, in about 50 ms. Throws Fault("not-found") with the way out where the package is missing, as after an
 * install that skipped it, or has nothing for this platform.
 */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    const [reason] = message.split("\n", 1);
    const missing = /MODULE_NOT_FOUND$/.test(code ?? "") && reason.includes("'onnxruntime-node'");
    const why = missing ? "is not installed" : `does not load here: ${reason}`;
    throw new Fault("not-found", `real models need the package onnxruntime-node, which ${why}`, {
      hint: "`ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node` brings it; `--backend replay` needs none",
      cause,
    });
  }
}
