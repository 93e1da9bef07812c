/**
 * The bounds of a gRPC server: of its connections, which grpc-js neither counts nor times on a socket of its own; and
 * of every call before its handler. Mends statuses of grpc-js itself.
 *
 *   TCP ─> count ─> TLS, role ─> HTTP/2 (grpc-js) ─> role, time and size of the call ─> handler
 */
import { once } from "node:events";
import { constants, type ServerHttp2Stream } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import {
  type Server as GrpcServer,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerListener,
  status,
} from "@grpc/grpc-js";
import { assert, Fault } from "../../engine/basics/fault.ts";
import {
  type AccessRules,
  isOpen,
  OPEN,
  type RequiredRole,
  refusal,
  type SecurityFiles,
} from "../security/access.ts";
import { Connections } from "../security/connections.ts";
import { type CallerBounds, CLIENT_TIMES, LIMITS } from "../security/limits.ts";
import {
  type CertificateRole,
  cannotListen,
  peerRole,
  requireSafeBinding,
  serverTls,
} from "../security/tls.ts";
import { statusOf } from "./status.ts";

/** The roles that may call each method. */
export interface GrpcAccess {
  readonly files: SecurityFiles;
  /** With TLS, connections of other roles are closed before their first call. */
  readonly onlyRole: CertificateRole | null;
  readonly rules: () => AccessRules;
  /** The role for a method, by its path: /package.Service/Method. */
  readonly roleOf: (path: string) => RequiredRole;
  /** Null: the only caller is trusted. */
  readonly held: CallerBounds | null;
}

/** For the gateway, with untrusted callers. */
export function gatewayAccess(files: SecurityFiles, held: CallerBounds): GrpcAccess {
  return { files, onlyRole: null, rules: () => files.rules, roleOf: roleOfMethod, held };
}

/** For a worker, whose only caller is the gateway by the role of its connection. */
export function workerAccess(files: SecurityFiles): GrpcAccess {
  return { files, onlyRole: "gateway", rules: () => OPEN, roleOf: () => "public", held: null };
}

const INFERENCE = "/inference.GRPCInferenceService/";
const PUBLIC: ReadonlySet<string> = new Set([
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
  "/grpc.health.v1.Health/List",
  ...["ServerLive", "ServerReady", "ModelReady", "ServerMetadata"].map((m) => INFERENCE + m),
]);
const INFER: ReadonlySet<string> = new Set([
  ...["ModelMetadata", "ModelInfer", "ModelStreamInfer"].map((m) => INFERENCE + m),
  ...["ModelConfig", "ModelStatistics", "RepositoryIndex"].map((m) => INFERENCE + m),
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]);

/** Unlisted methods need the role admin, because they may change the deployment. */
export function roleOfMethod(path: string): RequiredRole {
  if (PUBLIC.has(path)) return "public";
  return INFER.has(path) ? "infer" : "admin";
}

interface Peer {
  readonly socket: Socket;
  readonly role: CertificateRole | null;
  called: boolean;
}

type Peers = ReturnType<typeof openPeers>;

/** The open connections of a gRPC server: reading a certificate for each call would be slow. */
export function openPeers(firstCallMs: number) {
  const peers = new Map<string, Peer>();
  return {
    /** Called with the socket of a connection's first call. */
    onFirstCall: (_socket: Socket): void => undefined,
    /** Closes a connection without a call in `firstCallMs`: HTTP/2 does not end every malformed one. */
    add(socket: Socket): void {
      const key = `${socket.remoteAddress} ${socket.remotePort}`;
      const peer: Peer = { socket, role: peerRole(socket as TLSSocket), called: false };
      peers.set(key, peer);
      const timer = setTimeout(() => {
        if (!peer.called) socket.destroy();
      }, firstCallMs).unref();
      socket.once("close", () => {
        clearTimeout(timer);
        if (peers.get(key) === peer) peers.delete(key);
      });
    },
    /** The role of a call's connection. */
    caller(call: ServerInterceptingCallInterface): CertificateRole | null {
      const { remoteAddress, remotePort } = call.getConnectionInfo();
      const peer = peers.get(`${remoteAddress} ${remotePort}`);
      if (peer === undefined) return null;
      if (!peer.called) this.onFirstCall(peer.socket);
      peer.called = true;
      return peer.role;
    },
    /** Ends all connections. */
    cut(): void {
      for (const { socket } of peers.values()) socket.destroy();
    },
  };
}

/**
 * Resolves with the listening socket; closing it leaves open connections to the gRPC server. Rejects with
 * Fault("usage") for an unsafe address, Fault("cluster-failure") for a port in use.
 */
export async function listenGrpc(
  grpc: GrpcServer,
  { host, port }: { readonly host: string; readonly port: number },
  { files, onlyRole, held }: GrpcAccess,
  peers: Peers,
): Promise<Server> {
  const { identity } = files;
  await requireSafeBinding(host, identity !== null);
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const take = (socket: Socket): void => {
    if (socket.destroyed) return;
    peers.add(socket);
    socket.on("error", () => undefined);
    injector.injectConnection(socket);
  };
  const server =
    identity === null
      ? createServer({ noDelay: true }, take)
      : createTlsServer(
          {
            ...serverTls(identity, onlyRole !== null, held?.times ?? CLIENT_TIMES),
            ALPNProtocols: ["h2"],
            noDelay: true,
          } as TlsOptions,
          (socket) => {
            if (onlyRole === null || peerRole(socket) === onlyRole) take(socket);
            else socket.destroy();
          },
        );
  if (identity !== null) files.rotateIn(server as TlsServer);
  server.maxConnections = LIMITS.connections;
  if (held !== null) {
    const { connectionsPerAddress: most, refusals } = held;
    server.on("drop", () => refusals.connection("all"));
    const open = new Connections({ most, idleMs: held.times.handshakeMs }, refusals);
    server.prependListener("connection", (socket: Socket) => void open.take(socket));
    peers.onFirstCall = (socket) => open.busy(socket);
  }
  try {
    await once(server.listen(port, host), "listening");
  } catch (error) {
    throw cannotListen(host, port, error);
  }
  // A connection that cannot be accepted must not end the process.
  server.on("error", () => undefined);
  return server;
}

type MethodDefinition = Parameters<ServerInterceptor>[0];
type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** Must be a server's first interceptor. */
export function grpcGuard({ rules, roleOf, held }: GrpcAccess, peers: Peers): ServerInterceptor {
  return (method, call) => {
    mendStatuses(call);
    const certificate = peers.caller(call);
    const listener: ServerListener = {};
    if (!isOpen(rules())) {
      listener.onReceiveMetadata = (metadata, next) => {
        const authorization = metadata.get("authorization")[0]?.toString() ?? null;
        const refused = refusal(rules(), roleOf(method.path), { authorization, certificate });
        if (refused === null) next(metadata);
        else {
          const { remoteAddress = "" } = call.getConnectionInfo();
          held?.refusals.login(remoteAddress, refused.message);
          call.sendStatus(asStatus(refused));
        }
      };
    }
    if (held !== null) {
      limitReceiving(held, call, method, listener);
      limitSending(held.times.writeMs, call);
    }
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}

/** Ends a call whose next message does not come in time, or with which too much is being received. */
function limitReceiving(
  { times, incoming }: CallerBounds,
  call: ServerInterceptingCallInterface,
  { requestStream: isStream }: MethodDefinition,
  listener: ServerListener,
): void {
  const limitMs = isStream ? times.streamIdleMs : times.requestMs;
  const awaited = setTimeout(() => {
    const message = `nothing was received for ${limitMs / 1000} s`;
    call.sendStatus(asStatus(new Fault("deadline-exceeded", message)));
  }, limitMs).unref();
  const share = incoming();
  const stream = streamOf(call);
  stream.on("data", (bytes: Uint8Array) => {
    try {
      share.take(bytes.length);
    } catch (fault) {
      call.sendStatus(asStatus(fault as Fault));
    }
  });
  stream.once("close", () => {
    clearTimeout(awaited);
    share.giveBack();
  });
  listener.onReceiveMessage = (message, next) => {
    share.giveBack();
    if (isStream) awaited.refresh();
    else clearTimeout(awaited);
    next(message);
  };
  listener.onReceiveHalfClose = (next) => {
    clearTimeout(awaited);
    next();
  };
}

/**
 * Cuts off a caller that does not read: no answer left for `writeMs` while one waits. Node restarts the
 * timeout of an HTTP/2 stream whenever its session sends anything.
 */
function limitSending(writeMs: number, call: ServerInterceptingCallInterface): void {
  const stream = streamOf(call);
  const send = call.sendMessage.bind(call);
  let unsent = 0;
  let cut: NodeJS.Timeout | undefined;
  call.sendMessage = (message, sent) => {
    if (unsent++ === 0) {
      cut = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), writeMs).unref();
    }
    send(message, () => {
      if (--unsent === 0) clearTimeout(cut);
      else cut?.refresh();
      sent();
    });
  };
  stream.once("close", () => clearTimeout(cut));
}

/** The call's HTTP/2 stream, for which grpc-js has no public name. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  const { stream } = call as unknown as { readonly stream?: ServerHttp2Stream };
  assert(stream !== undefined, "a call of grpc-js has its HTTP/2 stream");
  return stream;
}

const CALLERS_FAULT =
  /^(Error deserializing request|Failed to decompress message|Invalid grpc-timeout value)/;
const MALFORMED = "the message is malformed, or has more parts than allowed";

/** grpc-js reports callers' errors as INTERNAL, by this method of its innermost call, past interceptors. */
function mendStatuses(call: ServerInterceptingCallInterface): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (given) => {
    const { code, details = "" } = given;
    if (code !== status.INTERNAL || !CALLERS_FAULT.test(details)) send(given);
    else {
      const message = details.replace("Error deserializing request", MALFORMED);
      send(asStatus(new Fault("invalid-input", message)));
    }
  };
}

function asStatus(fault: Fault): Status {
  return statusOf(fault) as Status;
}
