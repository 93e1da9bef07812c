/**
 * The socket under a gRPC server. grpc-js can open its own, but then connections are neither
 * counted nor timed, and no role is checked before the first call:
 *
 *   TCP ─> count ─> TLS, role ─> HTTP/2 (grpc-js)
 *                             └─> a gateway's link, on workers
 */

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import { type Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { LINK_GREETING } from "../protocol/link-greeting.ts";
import { requireSafeBinding } from "./bind-address.ts";
import type { GrpcAccess } from "./grpc-access.ts";
import { CLIENT_TIMES, LIMITS } from "./limits.ts";
import type { PeerRoles } from "./peer-roles.ts";
import { peerRole, rotateWith, serverTls } from "./tls.ts";

export interface GrpcListener {
  readonly port: number;
  /** Takes no new connections and ends links; the others that are open are the gRPC server's. */
  close(): void;
  /** Ends the open connections too. */
  cut(): void;
}

/** Serves a gateway's link from behind its greeting. Returns what ends it in order. */
export type ServeLink = (socket: Socket) => () => void;

/** `peers` learns the roles of connections. Throws Fault("usage") for an unsafe address, Fault("cluster-failure") for a port in use. */
export async function listenGrpc(
  grpc: GrpcServer,
  { host, port }: { readonly host: string; readonly port: number },
  { files, onlyRole, held }: GrpcAccess,
  peers: PeerRoles,
  link: ServeLink | null,
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
    if (link === null) injector.injectConnection(socket);
    else
      tellApart(
        socket,
        () => serve(socket, link),
        () => injector.injectConnection(socket),
      );
  };
  const endLinks = new Set<() => void>();
  const serve = (socket: Socket, serveLink: ServeLink): void => {
    peers.called(socket);
    const end = serveLink(socket);
    endLinks.add(end);
    socket.once("close", () => endLinks.delete(end));
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
    close: () => {
      server.close();
      for (const end of endLinks) end();
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** By what a connection begins with. One that says nothing is closed like one that brings no call. */
function tellApart(socket: Socket, isLink: () => void, isOther: () => void): void {
  let begun: Buffer = Buffer.alloc(0);
  const hear = (piece: Buffer): void => {
    begun = begun.length === 0 ? piece : Buffer.concat([begun, piece]);
    const { length } = LINK_GREETING;
    const compared = Math.min(length, begun.length);
    const greets = LINK_GREETING.subarray(0, compared).equals(begun.subarray(0, compared));
    if (greets && compared < length) return;
    socket.off("data", hear).pause();
    const rest = greets ? begun.subarray(length) : begun;
    if (rest.length > 0) socket.unshift(rest);
    if (greets) isLink();
    else isOther();
  };
  socket.on("data", hear);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
}
