/** The deployment that is fuzzed: real processes, pipelines that echo, look at pictures and add tensors. */
import { readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Deployment, startDeployment } from "../../cluster/deploy/deployment.ts";
import { residentBytes } from "../../cluster/worker/served-command.ts";
import { scenarioSchema } from "../../core/scenario/schema.ts";
import { writeOnnx } from "../../models/onnx-writer.ts";

export interface FuzzTarget {
  readonly deployment: Deployment;
  readonly rest: { readonly host: string; readonly port: number };
  readonly grpc: { readonly host: string; readonly port: number };
  /** That of the task of `ECHO`. */
  readonly worker: { readonly host: string; readonly port: number };
  readonly token: string;
}

export const ECHO = "echo";
export const ECHO_TASK = "only";
export const PICTURE = "picture";
export const SUM = "sum";
const SUM_FILE = "sum.onnx";

/** sum = a + b, rows of any width; requests are batched. */
const SUM_ONNX = writeOnnx({
  name: SUM,
  nodes: [{ op: "Add", inputs: ["a", "b"], output: "sum" }],
  constants: [],
  inputs: [
    { name: "a", shape: ["rows", "width"] },
    { name: "b", shape: ["rows", "width"] },
  ],
  outputs: [{ name: "sum", shape: ["rows", "width"] }],
});

/** `tokens` is a file with the token's hash; the model's file is put beside it. */
export async function startTarget(token: string, tokens: string): Promise<FuzzTarget> {
  const service = { distribution: "deterministic", meanMs: 1 };
  const batch = { marginal: 0.5, max: 8 };
  const folder = dirname(tokens);
  writeFileSync(join(folder, SUM_FILE), SUM_ONNX);
  const document = scenarioSchema.parse({
    name: "fuzz",
    pipelines: {
      [ECHO]: { tasks: { [ECHO_TASK]: { model: "nothing" } } },
      [PICTURE]: { tasks: { look: { model: "detector" } } },
      [SUM]: { tasks: { add: { model: "sum" } } },
    },
    models: {
      nothing: { service, implementation: { name: "no-op" } },
      detector: { service, implementation: { name: "ssd-mobilenet-v2" } },
      sum: { service: { ...service, batch }, implementation: { onnx: SUM_FILE } },
    },
    cluster: { replicas: { [ECHO_TASK]: 1, look: 1, add: 1 } },
    scheduler: {
      perTask: { add: { batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 2 } } },
    },
    workload: { arrivals: "burst", requests: 1 },
  });
  const inputs = { profiles: {}, folder };
  const deployment = await startDeployment({
    ...{ document, inputs, tokens, seed: "fuzz", backend: "onnx", restart: false },
  });
  const { hostname, port } = new URL(deployment.gateway.http);
  const at = (address: string) => ({
    host: hostname,
    port: Number(address.split(":").at(-1)),
  });
  return {
    deployment,
    rest: { host: hostname, port: Number(port) },
    grpc: at(deployment.gateway.grpc),
    worker: at(deployment.workers[0].address),
    token,
  };
}

/** Figures that show a leak: resident memory, open files and sockets. Linux only; else null. */
export function footprint(pid: number): { rssMib: number; files: number } | null {
  const bytes = residentBytes(pid);
  if (bytes === 0) return null;
  return { rssMib: bytes / 2 ** 20, files: readdirSync(`/proc/${pid}/fd`).length };
}
