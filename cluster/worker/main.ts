/** A worker process: hosts replicas, each as a model of its own, on one gRPC port. */

import { withSpareReplicas } from "../../engine/system/system.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createLogger } from "../observe/logger.ts";
import { workerTracing } from "../observe/open-tracing.ts";
import { runChild, toParent } from "../processes/child-side.ts";
import { workerAccess } from "../protocol/grpc-guard.ts";
import { EXTENSIONS, modelNamed } from "../protocol/hosted-models.ts";
import {
  type InferAnswer,
  type InferCall,
  type InferenceServer,
  serveInference,
} from "../protocol/server.ts";
import { SecurityFiles } from "../security/access.ts";
import type { TlsIdentity } from "../security/tls.ts";
import { machineClock, PreciseTimer } from "../time/clock.ts";
import { DeviceSlot } from "./device-slot.ts";
import { deviceLine, hostLine } from "./host-line.ts";
import { type HostedModelInfo, HostedReplica, type ReplicaOptions } from "./hosted-replica.ts";
import { type BackendSettings, backendFor, placesOn, StageDevice } from "./open-backend.ts";

export interface WorkerSpecification extends BackendSettings {
  /** Replicas to host, by the system's numbers. */
  readonly replicas: readonly number[];
  /** The gateway's number, because spare replicas have numbers too. Default 0. */
  readonly spareReplicas?: number;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Folder of certificates; without one: no TLS, and loopback only. */
  readonly certificates?: string | undefined;
  /** In place of the folder, for a worker on another machine. */
  readonly identity?: TlsIdentity;
  /** Target of traces (`observe/open-tracing.ts`); default: none. */
  readonly trace?: string | undefined;
}

export interface WorkerReady {
  readonly port: number;
  /** The hosted real models, in the order of the replicas. */
  readonly models: readonly HostedModelInfo[];
  /** As `hostLine` says. */
  readonly host: string;
  /** By `deviceLine`, of the first model; `cpu` for replayed times. */
  readonly device: string;
}

/** Serves before the models are loaded, so that clients can watch them load. */
runChild<WorkerSpecification, WorkerReady>(async (specification) => {
  const { document, inputs, spareReplicas = 0 } = specification;
  const system = withSpareReplicas(compileSystem(document, inputs), spareReplicas);
  const security = new SecurityFiles(
    { certificates: specification.certificates ?? null, tokens: null },
    "worker",
    { identity: specification.identity ?? null, tokens: null },
  );
  const timer = new PreciseTimer();
  const logger = createLogger("worker");
  const append = specification.identity === undefined ? undefined : toParent("trace");
  const tracing = await workerTracing(specification.trace ?? null, logger, append);
  const hosted = new Map<string, HostedReplica>();
  /** By the system's number. */
  const slots = new Map<number, DeviceSlot>();
  const engines = new Map<number, ReturnType<typeof placesOn>>();
  const stageDevices = new Map<number, StageDevice>();
  let server: InferenceServer | undefined;
  for (const id of specification.replicas) {
    const { name, pool, slot: device } = system.replicas[id];
    const slot = slots.get(device) ?? new DeviceSlot(machineClock(timer));
    slots.set(device, slot);
    const task = system.pools[pool].name;
    const stages = system.replicas[id].stages?.map((stage) => {
      const one = stageDevices.get(stage) ?? new StageDevice();
      stageDevices.set(stage, one);
      return one;
    });
    const places = engines.get(device) ?? placesOn(specification, system, device, timer);
    engines.set(device, places);
    const backend =
      places?.pool === pool ? places : backendFor(specification, system, id, timer, stages ?? null);
    const onState: ReplicaOptions["onState"] = ({ state, reason }) => {
      logger.info({ replica: name, state, ...(reason ? { reason } : {}) }, "model state");
      server?.health.setStatus(name, state === "READY" ? "SERVING" : "NOT_SERVING");
    };
    hosted.set(name, new HostedReplica({ name, task, tracing, onState, slot, ...backend }));
  }
  const names = [...hosted.keys()];
  const replicas = [...hosted.values()];
  server = await serveInference(
    {
      metadata: { name: "tandem-worker", version: "1", extensions: EXTENSIONS },
      ready: () => replicas.every((replica) => replica.ready()),
      models: hosted,
      control: {
        load: async (name) => modelNamed(hosted, name).load(),
        unload: async (name) => modelNamed(hosted, name).unload(),
      },
      infer: (call: InferCall, answer: InferAnswer) => {
        const { modelName, modelVersion } = call.request;
        modelNamed(hosted, modelName, modelVersion).infer(call, answer);
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
  const models = replicas.flatMap(({ loaded }) => loaded ?? []);
  const device = await deviceLine(models[0]?.provenance.provider ?? "cpu");
  return {
    ready: { port: server.port, models, host: hostLine(), device },
    stop: async () => {
      await Promise.all(replicas.map((replica) => replica.unload()));
      await server?.close();
      security.close();
      await tracing?.close();
    },
  };
});
