/**
 * A gRPC server's socket. With one of its own, grpc-js neither counts nor times connections:
 *
 *   TCP ─> count ─> TLS, role ─> HTTP/2 (grpc-js)
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import { type Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";
import { cannotListen, requireSafeBinding } from "../security/bind-address.ts";
import { CLIENT_TIMES, LIMITS } from "../security/limits.ts";
import { peerRole, serverTls } from "../security/tls.ts";
import type { GrpcAccess, PeerRoles } from "./grpc-guard.ts";

/** Throws Fault("usage") for an unsafe address, Fault("cluster-failure") for a port in use. */
export async function listenGrpc(
  grpc: GrpcServer,
  { host, port }: { readonly host: string; readonly port: number },
  { files, onlyRole, held }: GrpcAccess,
  peers: PeerRoles,
) {
  const { identity } = files;
  await requireSafeBinding(host, identity !== null);
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const take = (socket: Socket): void => {
    sockets.add(socket);
    peers.add(socket);
    socket.once("close", () => sockets.delete(socket));
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
  await listen(server, host, port);
  // A connection that cannot be accepted must not end the process.
  server.on("error", () => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    /** Takes no new connections; the gRPC server closes the open ones. */
    close: () => server.close(),
    /** Ends the open connections. */
    cut: (): void => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await once(server.listen(port, host), "listening");
  } catch (error) {
    throw cannotListen(host, port, error);
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
export function addReflection(server: GrpcServer, files: readonly string[]): void {
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
