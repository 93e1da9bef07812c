/** A gRPC server of the protocol with standard health checks; workers and the gateway are both one. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  Metadata,
  Server,
  type ServerUnaryCall,
  type StatusObject,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { HealthImplementation, protoPath as healthProto } from "grpc-health-check";
import type { GrpcAccess } from "../security/grpc-access.ts";
import { grpcGuard } from "../security/grpc-guard.ts";
import { listenGrpc } from "../security/grpc-listener.ts";
import { CLIENT_TIMES } from "../security/limits.ts";
import { PeerRoles } from "../security/peer-roles.ts";
import { type Header, REQUEST_ID_HEADER, TRACEPARENT } from "./call-context.ts";
import {
  type HostedModels,
  learnedModel,
  type ModelControl,
  modelConfig,
  modelIndex,
  modelNamed,
  modelStatistics,
} from "./hosted-models.ts";
import type {
  ModelConfig,
  ModelIndex,
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadata,
  ModelName,
  ModelStatistics,
  RepositoryModel,
  ServerMetadata,
  TensorMetadata,
} from "./messages.ts";
import { PROTOCOL_FILE } from "./protocol-file.ts";
import { addReflection } from "./reflection.ts";
import { BATCH_CHANNEL, CHANNEL_OPTIONS, INFERENCE_SERVICE, LIMITED_CALLERS } from "./service.ts";
import { statusOf } from "./status.ts";
import { deadlineOf, guarded, serveStream } from "./streamed-requests.ts";

const LAST_STATUS_MS = 20;

/** Triton's names of what this server has besides the protocol itself. */
export const EXTENSIONS = ["model_configuration", "model_repository", "statistics"];

/** One request, by itself or on a stream. */
export interface InferCall {
  readonly request: ModelInferRequest;
  /** Metadata of the call that brought it; a stream's requests have none of their own. */
  readonly header?: Header;
  /** How long its caller waits from now, ms; undefined: until it goes away. */
  readonly deadlineMs: number | undefined;
  /** The caller went away, gave the request up, or its deadline passed. */
  onCancelled(listener: () => void): void;
}

export type InferAnswer = (error: Partial<StatusObject> | null, value?: ModelInferResponse) => void;

export interface InferenceHandlers {
  readonly metadata: ServerMetadata;
  ready(): boolean;
  readonly models: HostedModels;
  readonly control: ModelControl;
  infer(call: InferCall, answer: InferAnswer): void;
}

export interface InferenceServer {
  readonly port: number;
  readonly health: HealthImplementation;
  /** Lets running calls end, then closes. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Names that health checks may ask for, besides "" and the protocol's own. */
  readonly services: readonly string[];
  readonly access: GrpcAccess;
}

export async function serveInference(
  handlers: InferenceHandlers,
  options: ServerOptions,
): Promise<InferenceServer> {
  const { access } = options;
  const peers = new PeerRoles(access.held?.times ?? CLIENT_TIMES);
  const guard = grpcGuard(access, peers);
  const server = new Server({
    ...CHANNEL_OPTIONS,
    ...(access.held === null ? BATCH_CHANNEL : LIMITED_CALLERS),
    interceptors: [guard.interceptor],
  });
  server.addService(INFERENCE_SERVICE, implementation(handlers));
  const names = ["", "inference.GRPCInferenceService", ...options.services];
  const health = new HealthImplementation(
    Object.fromEntries(names.map((name) => [name, "SERVING" as const])),
  );
  health.addToServer(server);
  addReflection(server, [PROTOCOL_FILE, healthProto]);
  const listener = await listenGrpc(server, options, access, peers);
  return {
    port: listener.port,
    health,
    close: async () => {
      for (const name of names) health.setStatus(name, "NOT_SERVING");
      listener.close();
      // The status of an answer leaves a turn behind it, and newer HTTP/2 than Node 20's does not wait.
      await sleep(LAST_STATUS_MS);
      await new Promise<void>((resolve) => {
        // Health watches never end by themselves, so what is left after a while is cut.
        const force = setTimeout(() => listener.cut(), 300);
        server.tryShutdown(() => {
          clearTimeout(force);
          resolve();
        });
      });
      guard.close();
    },
  };
}

/** Tensors that every model of this system takes or gives: BYTES of any length. */
export function bytesMetadata(...names: readonly string[]): readonly TensorMetadata[] {
  return names.map((name) => ({ name, datatype: "BYTES", shape: [-1] }));
}

function implementation(handlers: InferenceHandlers): UntypedServiceImplementation {
  const { models, control } = handlers;
  return {
    ServerLive: unary<object, object>(() => ({ live: true })),
    ServerReady: unary<object, object>(() => ({ ready: handlers.ready() })),
    ServerMetadata: unary<object, ServerMetadata>(() => handlers.metadata),
    ModelReady: unary<ModelName, object>(({ name, version }) => ({
      ready: modelNamed(models, name, version).ready(),
    })),
    ModelMetadata: unary<ModelName, ModelMetadata>(
      async ({ name, version }) => (await learnedModel(models, name, version)).metadata,
    ),
    ModelConfig: unary<ModelName, { config: ModelConfig }>(async ({ name, version }) => ({
      config: modelConfig(await learnedModel(models, name, version)),
    })),
    ModelStatistics: unary<ModelName, { modelStats: readonly ModelStatistics[] }>((asked) => ({
      modelStats: modelStatistics(models, asked),
    })),
    RepositoryIndex: unary<{ ready?: boolean }, { models: readonly ModelIndex[] }>(
      ({ ready = false }) => ({ models: modelIndex(models, ready) }),
    ),
    RepositoryModelLoad: unary<RepositoryModel, object>(async ({ modelName = "", parameters }) => {
      await control.load(modelName, parameters?.task?.stringParam);
      return {};
    }),
    RepositoryModelUnload: unary<RepositoryModel, object>(
      async ({ modelName = "", parameters }) => {
        await control.unload(modelName, parameters?.task?.stringParam);
        return {};
      },
    ),
    ModelInfer: (
      call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
      answer: sendUnaryData<ModelInferResponse>,
    ) => {
      const onCancelled = (listener: () => void): void => void call.on("cancelled", listener);
      const deadlineMs = remainingMs(call);
      const header: Header = (name) => call.metadata.get(name)[0]?.toString();
      guarded(
        handlers,
        { request: call.request, header, deadlineMs, onCancelled },
        (error, value) => {
          giveContext(call, header, value);
          answer(error, value);
        },
      );
    },
    ModelStreamInfer: serveStream.bind(null, handlers),
  };
}

/** The answer's initial metadata: the call's name, and the span that stands for it. */
function giveContext(
  call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
  header: Header,
  value: ModelInferResponse | undefined,
): void {
  const requestId = header(REQUEST_ID_HEADER);
  const traceparent = value?.parameters?.[TRACEPARENT]?.stringParam;
  if (requestId === undefined && traceparent === undefined) return;
  const metadata = new Metadata();
  if (requestId !== undefined) metadata.set(REQUEST_ID_HEADER, requestId);
  if (traceparent !== undefined) metadata.set(TRACEPARENT, traceparent);
  call.sendMetadata(metadata);
}

/** What the caller's own deadline and the request's parameter leave, ms. */
function remainingMs(
  call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
): number | undefined {
  const deadlineMs = Number(call.getDeadline()) - Date.now();
  const asked = deadlineOf(call.request);
  if (!Number.isFinite(deadlineMs)) return asked;
  return Math.min(deadlineMs, asked ?? deadlineMs);
}

function unary<Request, Response>(handle: (request: Request) => Response | Promise<Response>) {
  return async (
    call: ServerUnaryCall<Request, Response>,
    answer: sendUnaryData<Response>,
  ): Promise<void> => {
    try {
      answer(null, await handle(call.request));
    } catch (error) {
      answer(statusOf(error));
    }
  };
}
