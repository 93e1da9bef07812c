/** The deployment that is fuzzed: real processes, one pipeline that echoes and one that looks at pictures. */
import { readdirSync, readFileSync } from "node:fs";
import { scenarioSchema } from "../../core/scenario/schema.ts";
import { type Deployment, startDeployment } from "../deployment.ts";

/** What everything is sent to. */
export interface FuzzTarget {
  readonly deployment: Deployment;
  readonly rest: { readonly host: string; readonly port: number };
  readonly grpc: { readonly host: string; readonly port: number };
  /** Bearer token that may infer. */
  readonly token: string;
}

export const ECHO = "echo";
export const PICTURE = "picture";

/** `tokens` is a file with the token's hash. */
export async function startTarget(token: string, tokens: string): Promise<FuzzTarget> {
  const service = { distribution: "deterministic", meanMs: 1 };
  const document = scenarioSchema.parse({
    name: "fuzz",
    pipelines: {
      [ECHO]: { tasks: { only: { model: "nothing" } } },
      [PICTURE]: { tasks: { look: { model: "detector" } } },
    },
    models: {
      nothing: { service, implementation: { name: "no-op" } },
      detector: { service, implementation: { name: "ssd-mobilenet-v2" } },
    },
    cluster: { replicas: { only: 1, look: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
  const inputs = { profiles: {} };
  const deployment = await startDeployment({
    ...{ document, inputs, tokens, seed: "fuzz", backend: "onnx", restart: false },
  });
  const { hostname, port } = new URL(deployment.gateway.http);
  const grpcPort = Number(deployment.gateway.grpc.split(":").at(-1));
  return {
    deployment,
    rest: { host: hostname, port: Number(port) },
    grpc: { host: hostname, port: grpcPort },
    token,
  };
}

/** What leaks would show in: resident memory, and open files and sockets. Linux only; else null. */
export function footprint(pid: number): { rssMib: number; files: number } | null {
  try {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return { rssMib: Number(kib) / 1024, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return null;
  }
}
