/** ONNX Runtime as an engine: any ONNX file, on the CPU, CUDA or WebGPU. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type * as Ort from "onnxruntime-node";
import { Fault } from "../engine/basics/fault.ts";
import type { Engine, ModelProvenance } from "./task-model.ts";
import {
  arrayOf,
  type Datatype,
  decodeStrings,
  elementCount,
  encodeStrings,
  isDatatype,
  type Tensor,
  type TensorSpec,
} from "./tensor.ts";

type Provider = "cpu" | "cuda" | "webgpu";

export interface SessionOptions {
  /** Default cpu. Operators that the provider lacks run on the CPU. */
  readonly provider?: Provider;
  /** Threads of one inference on the CPU; default 1. */
  readonly threads?: number;
}

/** ONNX Runtime says float32 where the protocol says FP32, and string for BYTES; others differ in case alone. */
function datatypeOf(type: string): Datatype | undefined {
  const name = type === "string" ? "BYTES" : type.toUpperCase().replace("FLOAT", "FP");
  return isDatatype(name) ? name : undefined;
}

function typeOf(datatype: Datatype): Ort.Tensor.Type {
  return datatype.toLowerCase().replace("fp", "float") as Ort.Tensor.Type;
}

/** Takes 80 to 300 ms on the CPU. Throws Fault("not-found") without the file, Fault("invalid-input") for no ONNX model. */
export async function openEngine(
  path: string,
  about: Pick<ModelProvenance, "name" | "source" | "license">,
  { provider = "cpu", threads = 1 }: SessionOptions = {},
): Promise<Engine> {
  if (!existsSync(path)) {
    throw new Fault("not-found", `there is no model file ${path}`, {
      hint: "paths start at the scenario file's folder",
    });
  }
  const ort = await loadOnnxRuntime();
  const session = await ort.InferenceSession.create(path, {
    executionProviders: provider === "cpu" ? ["cpu"] : [provider, "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    // Errors come as exceptions too.
    logSeverityLevel: 4,
  }).catch((cause: unknown) => {
    throw openFault(path, provider, cause);
  });
  const inputs = session.inputMetadata.map((value) => specOf(path, value));
  const outputs = session.outputMetadata.map((value) => specOf(path, value));
  return {
    inputs,
    outputs,
    provenance: {
      ...about,
      files: [{ name: basename(path), sha256: await sha256Of(path) }],
      runtime: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
      provider: threads === 1 || provider !== "cpu" ? provider : `cpu, ${threads} threads`,
    },
    async run(feeds) {
      const fed = inputs.map(({ name }, i) => [name, toRuntime(ort, feeds[i]!)]);
      const given = await session
        .run(Object.fromEntries(fed) as Record<string, Ort.Tensor>)
        .catch((cause: unknown) => {
          throw runFault(inputs, feeds, cause);
        });
      return outputs.map(({ name }) => fromRuntime(name, given[name]!));
    },
    close: () => session.release(),
  };
}

function specOf(path: string, value: Ort.InferenceSession.ValueMetadata): TensorSpec {
  const datatype = value.isTensor ? datatypeOf(value.type) : undefined;
  if (!value.isTensor || datatype === undefined) {
    throw new Fault(
      "invalid-input",
      `${path}: ${value.name} is ${value.isTensor ? value.type : "no tensor"}`,
      { hint: "models of tensors of numbers or strings can be served" },
    );
  }
  const shape = value.shape.map((size) => (typeof size === "number" && size >= 0 ? size : -1));
  return { name: value.name, datatype, shape };
}

function toRuntime(ort: OnnxRuntime, { datatype, shape, raw }: Tensor): Ort.Tensor {
  if (datatype === "BYTES") {
    return new ort.Tensor("string", decodeStrings(raw, elementCount(shape)), shape);
  }
  const data = arrayOf(datatype, raw) as Ort.Tensor.DataType;
  return new ort.Tensor(typeOf(datatype), data, shape);
}

function fromRuntime(name: string, tensor: Ort.Tensor): Tensor {
  const { data, dims, type } = tensor;
  const datatype = datatypeOf(type)!;
  if (datatype === "BYTES") {
    return { name, datatype, shape: dims, raw: encodeStrings(data as readonly string[]) };
  }
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return { name, datatype, shape: dims, raw: new Uint8Array(buffer, byteOffset, byteLength) };
}

function openFault(path: string, provider: Provider, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const hints: readonly (readonly [RegExp, string])[] = [
    [
      /No supported adapters/i,
      "webgpu needs a Vulkan driver: on Debian 13 libvulkan1 and mesa-vulkan-drivers; see docs/backends.md",
    ],
    [
      /Failed to load (shared )?library/i,
      "cuda needs NVIDIA's driver, CUDA 12, cuDNN 9 and ONNX Runtime's CUDA libraries; see docs/backends.md",
    ],
    [/backend not found/i, `this build of ONNX Runtime has no ${provider}; use cpu`],
    [/Protobuf parsing failed|INVALID_PROTOBUF/i, "the file is no ONNX model, or not all of one"],
    [/opset|not implemented|No Op registered/i, "export the model for an older opset"],
  ];
  const hint = hints.find(([pattern]) => pattern.test(reason))?.[1];
  const message = `${path} does not open on ${provider}: ${lastLine(reason)}`;
  return new Fault("invalid-input", message, { cause, hint });
}

function runFault(inputs: readonly TensorSpec[], feeds: readonly Tensor[], cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const wanted = inputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape}]`);
  const given = feeds.map(({ datatype, shape }) => `${datatype} [${shape}]`);
  return new Fault(
    "invalid-input",
    `the model failed on ${given.join(", ")}: ${lastLine(reason)}`,
    { hint: `it takes ${wanted.join(", ")}; -1 is any size`, cause },
  );
}

/** ONNX Runtime puts its source files before what it has to say. */
function lastLine(reason: string): string {
  const line = reason.trim().split("\n").at(-1) ?? reason;
  return line.length > 400 ? `…${line.slice(-400)}` : line;
}

async function sha256Of(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

type OnnxRuntime = typeof Ort;

/** Loads ONNX Runtime, an optional package. Throws Fault("not-found") where it is missing or does not load. */
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
