/** Pipelines of models that run for real, and calls to them, for tests of what runs models. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { writeOnnx } from "../models/onnx-writer.ts";
import { floatsOf, floatTensor } from "../models/tensor.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import type { Deployment } from "./deploy/deployment.ts";
import { eventually } from "./deployment.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";
import { InferenceClient } from "./protocol/client.ts";
import type { ModelInferResponse } from "./protocol/messages.ts";
import { outputText, rawTensor } from "./protocol/tensors.ts";

const assumed = { service: { distribution: "deterministic", meanMs: 1 } };

/** An ONNX file of `output` = `input` × factor, rows of three, any number of rows. */
export function writeScaling(
  folder: string,
  file: string,
  input: string,
  output: string,
  factor: number,
): void {
  const onnx = writeOnnx({
    name: "scaling",
    nodes: [{ op: "Mul", inputs: [input, "factor"], output }],
    constants: [{ name: "factor", shape: [1], data: Float32Array.of(factor) }],
    inputs: [{ name: input, shape: ["rows", 3] }],
    outputs: [{ name: output, shape: ["rows", 3] }],
  });
  writeFileSync(join(folder, file), onnx);
}

/** One pipeline `p` of tasks in a row, each run by the implementation given for it. */
export function chain(
  tasks: Readonly<Record<string, object>>,
  overrides: object = {},
): ScenarioDocument {
  const names = Object.keys(tasks);
  const entries = names.map((name, i) => [
    name,
    { model: name, after: i === 0 ? [] : [names[i - 1]] },
  ]);
  const models = names.map((name) => [name, { ...assumed, implementation: tasks[name] }]);
  return scenarioSchema.parse({
    name: "backends",
    pipelines: { p: { tasks: Object.fromEntries(entries) } },
    models: Object.fromEntries(models),
    cluster: { replicas: Object.fromEntries(names.map((name) => [name, 1])) },
    workload: { arrivals: "burst", requests: 1 },
    ...overrides,
  });
}

export async function sendTensor(
  address: string,
  model: string,
  x: readonly number[],
  outputs?: readonly { name: string }[],
): Promise<ModelInferResponse> {
  const client = new InferenceClient(address);
  const { raw, ...tensor } = floatTensor("x", [x.length / 3, 3], Float32Array.from(x));
  const request = { modelName: model, inputs: [tensor], rawInputContents: [raw] };
  try {
    return await client.inferAsync(outputs === undefined ? request : { ...request, outputs });
  } finally {
    client.close();
  }
}

export function floats(response: ModelInferResponse, name: string): readonly number[] {
  const at = response.outputs.findIndex((tensor) => tensor.name === name);
  const tensor = rawTensor(response.outputs[at], response.rawOutputContents?.[at]);
  return [...floatsOf(tensor)];
}

export async function sendPayload(
  address: string,
  modelName: string,
  payload: string | Uint8Array,
): Promise<string> {
  const client = new InferenceClient(address);
  const outputs = [{ name: "output" }];
  try {
    const request = { modelName, outputs, ...payloadRequest(Buffer.from(payload)) };
    return outputText(await client.inferAsync(request));
  } finally {
    client.close();
  }
}

/** The answer's record of the one task `only`. */
export interface Told {
  readonly only: {
    readonly labels: readonly string[];
    readonly value: { readonly tensors: readonly { readonly data: readonly string[] }[] };
  };
}

export function outputsOf(text: string): Told {
  return (JSON.parse(text) as { outputs: Told }).outputs;
}

/** A server of the protocol that shares no code with ours: it upper-cases, and tells its process. */
export function writeServer(folder: string): string {
  const manifest = JSON.stringify(join(process.cwd(), "package.json"));
  const proto = JSON.stringify(join(process.cwd(), "cluster/proto/inference.proto"));
  writeFileSync(
    join(folder, "server.cjs"),
    `const load = module.require("node:module").createRequire(${manifest});
const grpc = load("@grpc/grpc-js");
const definition = load("@grpc/proto-loader").loadSync(${proto});
const { GRPCInferenceService } = grpc.loadPackageDefinition(definition).inference;
const spec = (name) => [{ name, datatype: "BYTES", shape: [-1] }];
const bytes = (text) => {
  const raw = Buffer.alloc(4 + text.length, text, "latin1");
  raw.write(text, 4, "latin1");
  raw.writeUInt32LE(text.length, 0);
  return raw;
};
const server = new grpc.Server();
server.addService(GRPCInferenceService.service, {
  ServerMetadata: (_, answer) => answer(null, { name: "script", version: "1" }),
  ModelReady: (_, answer) => answer(null, { ready: true }),
  ModelMetadata: (_, answer) =>
    answer(null, { name: "upper", versions: ["1"], platform: "script", inputs: spec("text"), outputs: spec("upper") }),
  ModelInfer: ({ request }, answer) => {
    const text = request.rawInputContents[0].subarray(4).toString().toUpperCase();
    if (text === "TROUBLE") answer({ code: grpc.status.INTERNAL, details: "inner trouble" });
    else answer(null, {
      modelName: "upper",
      outputs: [{ name: "upper", datatype: "BYTES", shape: [1] }],
      rawOutputContents: [bytes(text + " by " + process.pid)],
    });
  },
});
const address = "127.0.0.1:" + process.argv[2];
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
`,
  );
  return "server.cjs";
}

/** The answer of a model that ends it with its process, as `writeServer` does; and that process. */
export async function saidBy(deployment: Deployment, text: string): Promise<[string, number]> {
  const answer = outputsOf(await sendPayload(deployment.gateway.grpc, "p", text));
  const [said, pid] = answer.only.value.tensors[0].data[0].split(" by ");
  return [said, Number(pid)];
}

/** Waits until another process than before serves the model; gives it. */
export async function another(deployment: Deployment, than: number): Promise<number> {
  let pid = than;
  const isBack = async (): Promise<boolean> => {
    [, pid] = await saidBy(deployment, "x").catch(() => ["", than] as const);
    return pid !== than;
  };
  expect(await eventually(isBack)).toBe(true);
  return pid;
}
