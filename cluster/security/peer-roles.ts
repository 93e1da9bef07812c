/**
 * Open connections of a gRPC server: the role that each has proven, for reading a certificate anew
 * for each call is dear, and whether a call has come by it.
 */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";
import type { CertificateRole } from "./certificate-role.ts";
import type { ClientTimes } from "./limits.ts";
import { peerRole } from "./tls.ts";

interface Peer {
  readonly role: CertificateRole | null;
  called: boolean;
}

export class PeerRoles {
  readonly #peers = new Map<string, Peer>();
  readonly #handshakeMs: number;

  constructor({ handshakeMs }: ClientTimes) {
    this.#handshakeMs = handshakeMs;
  }

  /**
   * Gives the connection's role, and keeps it until it closes. One that brings no call in its time
   * is closed: HTTP/2 itself does not always end a connection whose frames make no sense.
   */
  add(socket: Socket): CertificateRole | null {
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    const peer: Peer = { role: peerRole(socket as TLSSocket), called: false };
    this.#peers.set(key, peer);
    const timer = setTimeout(() => {
      if (!peer.called) socket.destroy();
    }, this.#handshakeMs);
    timer.unref();
    socket.once("close", () => {
      clearTimeout(timer);
      if (this.#peers.get(key) === peer) this.#peers.delete(key);
    });
    return peer.role;
  }

  /** Notes that a call has come, and gives the role of its connection. */
  caller(call: ServerInterceptingCallInterface): CertificateRole | null {
    const { remoteAddress, remotePort } = call.getConnectionInfo();
    const peer = this.#peers.get(`${remoteAddress} ${remotePort}`);
    if (peer === undefined) return null;
    peer.called = true;
    return peer.role;
  }
}
