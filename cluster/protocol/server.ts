/** The gRPC server of the gateway and of workers: the protocol, health checks and reflection. */
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Metadata,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type StatusObject,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, protoPath as healthProto } from "grpc-health-check";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";
import { CLIENT_TIMES } from "../security/limits.ts";
import { type GrpcAccess, grpcGuard, listenGrpc, openPeers } from "./grpc-guard.ts";
import {
  type HostedModels,
  learnedModel,
  type ModelControl,
  modelConfig,
  modelIndex,
  modelNamed,
  modelStatistics,
  type ServerMetadata,
} from "./hosted-models.ts";
import {
  BATCH_CHANNEL,
  CHANNEL_OPTIONS,
  INFERENCE_SERVICE,
  LIMITED_CALLERS,
  PROTOCOL_FILE,
} from "./infer-codec.ts";
import {
  controlOf,
  deadlineOf,
  type Header,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelName,
  type ModelStreamInferResponse,
  REQUEST_ID_HEADER,
  type RepositoryModel,
  TRACEPARENT,
  withFinality,
} from "./messages.ts";
import { answerOfError, lastAnswer, statusOf } from "./status.ts";

const LAST_STATUS_MS = 20;

/** One request, by itself or on a stream. */
export interface InferCall {
  readonly request: ModelInferRequest;
  /** Metadata of a unary call. */
  readonly header?: Header;
  /** How long the caller waits from now, ms; undefined: no limit. */
  readonly deadlineMs: number | undefined;
  /** The caller gave the request up, or its deadline passed; `preempted`: it is to be stopped if begun. */
  onCancelled(listener: (preempted: boolean) => void): void;
  /** Sends an answer that others follow; absent where a call has one answer. */
  readonly partly?: (value: ModelInferResponse) => void;
  /** Whether the caller has not read its answers yet. */
  readonly isBehind?: () => boolean;
}

export type InferAnswer = (error: Partial<StatusObject> | null, value?: ModelInferResponse) => void;

interface InferenceHandlers {
  readonly metadata: ServerMetadata;
  ready(): boolean;
  readonly models: HostedModels;
  readonly control: ModelControl;
  infer(call: InferCall, answer: InferAnswer): void;
}

export type InferenceServer = Awaited<ReturnType<typeof serveInference>>;

interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Names for health checks, besides "" and the protocol's service. */
  readonly services: readonly string[];
  readonly access: GrpcAccess;
}

export async function serveInference(handlers: InferenceHandlers, options: ServerOptions) {
  const { access } = options;
  const peers = openPeers((access.held?.times ?? CLIENT_TIMES).handshakeMs);
  const server = new Server({
    ...CHANNEL_OPTIONS,
    ...(access.held === null ? BATCH_CHANNEL : LIMITED_CALLERS),
    interceptors: [grpcGuard(access, peers)],
  });
  server.addService(INFERENCE_SERVICE, implementation(handlers));
  const names = ["", "inference.GRPCInferenceService", ...options.services];
  const health = new HealthImplementation(
    Object.fromEntries(names.map((name) => [name, "SERVING" as const])),
  );
  health.addToServer(server);
  addReflection(server, [PROTOCOL_FILE, healthProto]);
  const socket = await listenGrpc(server, options, access, peers);
  return {
    port: (socket.address() as AddressInfo).port,
    health,
    /** Lets running calls end, then closes. */
    close: async (): Promise<void> => {
      for (const name of names) health.setStatus(name, "NOT_SERVING");
      socket.close();
      // An answer's status leaves one turn after it, and HTTP/2 of Node 22 and later does not wait.
      await sleep(LAST_STATUS_MS);
      await new Promise<void>((resolve) => {
        // Health watches never end by themselves.
        const force = setTimeout(() => peers.cut(), 300);
        server.tryShutdown(() => {
          clearTimeout(force);
          resolve();
        });
      });
    },
  };
}

type UnaryInfer = ServerUnaryCall<ModelInferRequest, ModelInferResponse>;

function implementation(handlers: InferenceHandlers): UntypedServiceImplementation {
  const { models, control } = handlers;
  return {
    ServerLive: unary(() => ({ live: true })),
    ServerReady: unary(() => ({ ready: handlers.ready() })),
    ServerMetadata: unary(() => handlers.metadata),
    ModelReady: unary(({ name, version }: ModelName) => ({
      ready: modelNamed(models, name, version).ready(),
    })),
    ModelMetadata: unary(
      async ({ name, version }: ModelName) => (await learnedModel(models, name, version)).metadata,
    ),
    ModelConfig: unary(async ({ name, version }: ModelName) => ({
      config: modelConfig(await learnedModel(models, name, version)),
    })),
    ModelStatistics: unary((asked: ModelName) => ({ model_stats: modelStatistics(models, asked) })),
    RepositoryIndex: unary(({ ready = false }: { ready?: boolean }) => ({
      models: modelIndex(models, ready),
    })),
    RepositoryModelLoad: changing((model, task) => control.load(model, task)),
    RepositoryModelUnload: changing((model, task) => control.unload(model, task)),
    ModelInfer: (call: UnaryInfer, answer: sendUnaryData<ModelInferResponse>) => {
      const header: Header = (name) => call.metadata.get(name)[0]?.toString();
      const given: InferCall = {
        request: call.request,
        header,
        deadlineMs: remainingMs(call),
        onCancelled: (listener) => void call.on("cancelled", () => listener(false)),
      };
      guarded(handlers, given, (error, value) => {
        giveContext(call, header, value);
        answer(error, value);
      });
    },
    ModelStreamInfer: (stream: InferServerStream) => serveStream(handlers, stream),
  };
}

/** Sends the call's id and span as initial metadata. */
function giveContext(call: UnaryInfer, header: Header, value?: ModelInferResponse): void {
  const requestId = header(REQUEST_ID_HEADER);
  const traceparent = value?.parameters?.[TRACEPARENT]?.stringParam;
  if (requestId === undefined && traceparent === undefined) return;
  const metadata = new Metadata();
  if (requestId !== undefined) metadata.set(REQUEST_ID_HEADER, requestId);
  if (traceparent !== undefined) metadata.set(TRACEPARENT, traceparent);
  call.sendMetadata(metadata);
}

/** The shorter of gRPC's deadline and the request's parameters, ms. */
function remainingMs(call: UnaryInfer): number | undefined {
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

/** Loads or unloads a model, or that of one task. */
function changing(change: (model: string, task: string | undefined) => Promise<unknown>) {
  return unary(async ({ model_name = "", parameters }: RepositoryModel) => {
    await change(model_name, parameters?.task?.string_param);
    return {};
  });
}

type InferServerStream = ServerDuplexStream<ModelInferRequest, ModelStreamInferResponse>;

/** Answers each request of a stream when it is done; the stream ends after the last answer. */
function serveStream(handlers: InferenceHandlers, stream: InferServerStream): void {
  /** By request without an answer: the listener for its cancellation. */
  const open = new Map<ModelInferRequest, Parameters<InferCall["onCancelled"]>[0]>();
  let ended = false;
  const cancel = (id?: string, preempted = false): void => {
    for (const [request, cancelled] of open) {
      if (id === undefined || request.id === id) cancelled(preempted);
    }
  };
  const take = (request: ModelInferRequest): void => {
    open.set(request, () => undefined);
    const onCancelled: InferCall["onCancelled"] = (listener) => {
      if (open.has(request)) open.set(request, listener);
    };
    const partly = (value: ModelInferResponse): void => {
      if (!open.has(request) || stream.destroyed) return;
      stream.write({ inferResponse: withFinality(value, false) });
    };
    const isBehind = (): boolean => stream.writableNeedDrain;
    const deadlineMs = deadlineOf(request);
    const call: InferCall = { request, deadlineMs, onCancelled, partly, isBehind };
    guarded(handlers, call, (error, value) => {
      open.delete(request);
      const answer =
        error === null ? lastAnswer(value as ModelInferResponse) : answerOfError(request, error);
      if (!stream.destroyed) stream.write(answer);
      if (ended && open.size === 0) stream.end();
    });
  };
  // At once, because a gateway sends batches as soon as its worker has accepted the stream.
  stream.sendMetadata(new Metadata());
  stream.on("data", (request: ModelInferRequest) => {
    const control = controlOf(request);
    if (control === "cancel" || control === "preempt") cancel(request.id, control === "preempt");
    else take(request);
    // Read no further requests while the caller does not read its answers.
    if (!stream.writableNeedDrain) return;
    stream.pause();
    stream.once("drain", () => stream.resume());
  });
  stream.on("cancelled", () => cancel());
  stream.on("end", () => {
    ended = true;
    if (open.size === 0) stream.end();
  });
  // "cancelled" follows each error.
  stream.on("error", () => undefined);
}

/** Answers with an error that the handlers throw. */
function guarded(handlers: InferenceHandlers, call: InferCall, answer: InferAnswer): void {
  try {
    handlers.infer(call, answer);
  } catch (error) {
    answer(statusOf(error));
  }
}

interface MessageDescriptor {
  name: string;
  readonly field: { readonly name: string; typeName?: string }[];
  readonly nestedType: MessageDescriptor[];
}

/**
 * gRPC server reflection of .proto files without imports. In protobufjs' descriptors type names are relative,
 * and entries of maps have other names than a compiler's: strict clients, as those in Go, refuse them.
 */
function addReflection(server: Server, files: readonly string[]): void {
  const packages = files.map((file) => [file, { fileDescriptorProtos: [compiled(file)] }]);
  new ReflectionService(Object.fromEntries(packages)).addToServer(server);
}

/** The file's descriptor as a compiler would write it. */
function compiled(file: string): Buffer {
  const root = new protobuf.Root().loadSync(file, { keepCase: true }).resolveAll() as Described;
  const [proto] = root.toDescriptor("proto3").file;
  for (const message of proto.messageType as MessageDescriptor[]) {
    nameAsCompiled(message, root.lookupType(`${proto.package}.${message.name}`));
  }
  return Buffer.from(descriptor.FileDescriptorProto.encode(proto).finish());
}

/** `protobufjs/ext/descriptor` adds the method. */
type Described = protobuf.Root & {
  toDescriptor(edition: string): { readonly file: descriptor.IFileDescriptorProto[] };
};

/** Makes type names absolute. The entry of a map `my_field` becomes the nested type MyFieldEntry. */
function nameAsCompiled(message: MessageDescriptor, type: protobuf.Type): void {
  for (const field of message.field) {
    const { resolvedType, map } = type.fields[field.name];
    const entry = map && message.nestedType.find(({ name }) => name === field.typeName);
    const named = entry ? entry.field[1] : field;
    if (resolvedType !== null) named.typeName = resolvedType.fullName;
    if (!entry) continue;
    const words = field.name.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
    entry.name = `${words.join("")}Entry`;
    field.typeName = `${type.fullName}.${entry.name}`;
  }
  for (const nested of message.nestedType) {
    const own = type.nested?.[nested.name];
    if (own instanceof protobuf.Type) nameAsCompiled(nested, own);
  }
}
