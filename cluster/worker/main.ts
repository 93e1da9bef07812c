/** A worker process: hosts replicas, one gRPC port for all of them, each a model of its own. */
import { compileSystem } from "../../core/compile.ts";
import { Fault } from "../../core/fault.ts";
import type { System } from "../../core/system.ts";
import { workerTracing } from "../observe/open-tracing.ts";
import { PreciseTimer } from "../precise-timer.ts";
import { runChild } from "../processes/child-side.ts";
import { modelNamed } from "../protocol/hosted-models.ts";
import {
  EXTENSIONS,
  type InferAnswer,
  type InferCall,
  serveInference,
} from "../protocol/server.ts";
import type { Backend } from "./backend.ts";
import { HostedReplica } from "./hosted-replica.ts";
import { onnxBackend } from "./onnx-backend.ts";
import { replayBackend } from "./replay-backend.ts";
import type { WorkerReady, WorkerSpecification } from "./specification.ts";

runChild<WorkerSpecification, WorkerReady>(async (specification) => {
  const system = compileSystem(specification.document, specification.inputs);
  const timer = new PreciseTimer();
  const tracing = await workerTracing(specification.trace ?? null);
  const hosted = new Map<string, HostedReplica>();
  for (const id of specification.replicas) {
    const { name, pool } = system.replicas[id];
    const task = system.pools[pool].name;
    const backend = await openBackend(specification, system, id, timer);
    hosted.set(name, new HostedReplica(name, task, backend, tracing));
  }
  const replicas = [...hosted.values()];
  const server = await serveInference(
    {
      metadata: { name: "tandem-worker", version: "1", extensions: EXTENSIONS },
      ready: () => replicas.every((replica) => replica.ready()),
      models: hosted,
      infer: (call: InferCall, answer: InferAnswer) => {
        const { modelName, modelVersion } = call.request;
        const replica = modelNamed(hosted, modelName, modelVersion) as HostedReplica;
        replica.infer(call, answer);
      },
    },
    { host: specification.host, port: specification.port, services: [...hosted.keys()] },
  );
  return {
    ready: { port: server.port },
    stop: async () => {
      for (const name of hosted.keys()) server.health.setStatus(name, "NOT_SERVING");
      await Promise.all(replicas.map((replica) => replica.drain()));
      await server.close();
      await Promise.all(replicas.map((replica) => replica.close()));
      await tracing?.close();
    },
  };
});

async function openBackend(
  { document, backend, seed, timeScale, cacheDir }: WorkerSpecification,
  system: System,
  id: number,
  timer: PreciseTimer,
): Promise<Backend> {
  const replica = system.replicas[id];
  if (backend === "replay") return replayBackend(replica, { seed, timeScale, timer });
  const { model } = system.pools[replica.pool];
  const implementation = document.models[model].implementation;
  if (implementation === undefined) {
    throw new Fault("invalid-input", `model ${model} names no implementation to run for real`, {
      hint: `give models.${model}.implementation, or use the replay backend`,
    });
  }
  return onnxBackend({
    model: implementation.name,
    parameters: implementation.parameters,
    cacheDir: cacheDir ?? null,
  });
}
