/**
 * The socket of a gRPC server. grpc-js can open its own, but then nothing counts or times connections,
 * or checks their role before the first call:
 *
 *   TCP ─> count ─> TLS, role ─> HTTP/2 (grpc-js)
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import { type Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { requireSafeBinding } from "../security/bind-address.ts";
import { CLIENT_TIMES, LIMITS } from "../security/limits.ts";
import { rotateWith } from "../security/security-files.ts";
import { peerRole, serverTls } from "../security/tls.ts";
import type { GrpcAccess, PeerRoles } from "./grpc-guard.ts";

export interface GrpcListener {
  readonly port: number;
  /** Takes no new connections; the gRPC server closes the open ones. */
  close(): void;
  /** Ends the open connections. */
  cut(): void;
}

/**
 * `peers` gets each connection. Throws Fault("usage") for an unsafe address, Fault("cluster-failure")
 * for a port in use.
 */
export async function listenGrpc(
  grpc: GrpcServer,
  { host, port }: { readonly host: string; readonly port: number },
  { files, onlyRole, held }: GrpcAccess,
  peers: PeerRoles,
): Promise<GrpcListener> {
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
  if (identity !== null) rotateWith(files, server as TlsServer);
  server.maxConnections = LIMITS.connections;
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => server.close(),
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
}
