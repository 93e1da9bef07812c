/** A worker process: hosts replicas, one gRPC port for all of them, each a model of its own. */

import { compileSystem } from "../../core/compile.ts";
import { Fault } from "../../core/fault.ts";
import { backendOf } from "../../core/scenario/implementation-kind.ts";
import { withSpareReplicas } from "../../core/spare-replicas.ts";
import type { System } from "../../core/system.ts";
import { createLogger } from "../observe/logger.ts";
import { workerTracing } from "../observe/open-tracing.ts";
import { runChild } from "../processes/child-side.ts";
import { modelNamed } from "../protocol/hosted-models.ts";
import {
  EXTENSIONS,
  type InferAnswer,
  type InferCall,
  type InferenceServer,
  serveInference,
} from "../protocol/server.ts";
import { workerAccess } from "../security/grpc-access.ts";
import { SecurityFiles } from "../security/security-files.ts";
import { PreciseTimer } from "../time/precise-timer.ts";
import { HostedReplica, type ReplicaOptions } from "./hosted-replica.ts";
import { modelBackend } from "./model-backend.ts";
import { inlineBackend, isInline } from "./model-jobs.ts";
import { replayBackend } from "./replay-backend.ts";
import type { WorkerReady, WorkerSpecification } from "./specification.ts";

const PLATFORMS = {
  onnx: "onnxruntime_onnx",
  external: "tandem_external",
  process: "tandem_process",
} as const;

/** It serves before its models are loaded, so that their loading can be watched. */
runChild<WorkerSpecification, WorkerReady>(async (specification) => {
  const { document, inputs, spareReplicas = 0 } = specification;
  const system = withSpareReplicas(compileSystem(document, inputs), spareReplicas);
  const security = new SecurityFiles(
    { certificates: specification.certificates ?? null, tokens: null },
    "worker",
  );
  const timer = new PreciseTimer();
  const logger = createLogger("worker");
  const tracing = await workerTracing(specification.trace ?? null, logger);
  const hosted = new Map<string, HostedReplica>();
  let server: InferenceServer | undefined;
  for (const id of specification.replicas) {
    const { name, pool } = system.replicas[id];
    const task = system.pools[pool].name;
    const backend = backendOptions(specification, system, id, timer);
    const onState: ReplicaOptions["onState"] = ({ state, reason }) => {
      logger.info({ replica: name, state, ...(reason ? { reason } : {}) }, "model state");
      server?.health.setStatus(name, state === "READY" ? "SERVING" : "NOT_SERVING");
    };
    hosted.set(name, new HostedReplica({ name, task, tracing, onState, ...backend }));
  }
  const names = [...hosted.keys()];
  const replicas = [...hosted.values()];
  server = await serveInference(
    {
      metadata: { name: "tandem-worker", version: "1", extensions: EXTENSIONS },
      ready: () => replicas.every((replica) => replica.ready()),
      models: hosted,
      control: {
        load: async (name) => (modelNamed(hosted, name, "") as HostedReplica).load(),
        unload: async (name) => (modelNamed(hosted, name, "") as HostedReplica).unload(),
      },
      infer: (call: InferCall, answer: InferAnswer) => {
        const { modelName, modelVersion } = call.request;
        const replica = modelNamed(hosted, modelName, modelVersion) as HostedReplica;
        replica.infer(call, answer);
      },
    },
    {
      host: specification.host,
      port: specification.port,
      services: names,
      access: workerAccess(security),
    },
  );
  for (const name of names) server.health.setStatus(name, "NOT_SERVING");
  for (const replica of replicas) await replica.load();
  return {
    ready: { port: server.port, models: replicas.flatMap(({ loaded }) => loaded ?? []) },
    stop: async () => {
      await Promise.all(replicas.map((replica) => replica.unload()));
      await server?.close();
      security.close();
      await tracing?.close();
    },
  };
});

function backendOptions(
  { document, inputs, backend, seed, timeScale, cacheDir }: WorkerSpecification,
  system: System,
  id: number,
  timer: PreciseTimer,
): Pick<ReplicaOptions, "platform" | "open"> {
  const replica = system.replicas[id];
  if (backend === "replay") {
    const open = async () => replayBackend(replica, { seed, timeScale, timer });
    return { platform: "tandem_replay", open };
  }
  const { model } = system.pools[replica.pool];
  const implementation = document.models[model].implementation;
  if (implementation === undefined) {
    throw new Fault("invalid-input", `model ${model} names no implementation to run for real`, {
      hint: `give models.${model}.implementation, or use the replay backend`,
    });
  }
  const folder = inputs.folder ?? process.cwd();
  const thread = { model, implementation, folder, cacheDir: cacheDir ?? null };
  return {
    platform: PLATFORMS[backendOf(implementation)],
    open: (changed) =>
      isInline(implementation)
        ? inlineBackend(implementation, folder)
        : modelBackend(thread, changed),
  };
}
