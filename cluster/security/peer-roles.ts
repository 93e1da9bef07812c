/** The proven role of every open TLS connection: reading a certificate anew for each call is dear. */

import type { TLSSocket } from "node:tls";
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";
import type { CertificateRole } from "./certificate-role.ts";
import { peerRole } from "./tls.ts";

export class PeerRoles {
  readonly #roles = new Map<string, CertificateRole | null>();

  /** Gives the connection's role, and keeps it until it closes. */
  add(socket: TLSSocket): CertificateRole | null {
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    const role = peerRole(socket);
    this.#roles.set(key, role);
    socket.once("close", () => this.#roles.delete(key));
    return role;
  }

  roleOf(call: ServerInterceptingCallInterface): CertificateRole | null {
    const { remoteAddress, remotePort } = call.getConnectionInfo();
    return this.#roles.get(`${remoteAddress} ${remotePort}`) ?? null;
  }
}
