/** TLS options of both ends, from a role's certificate. */
import type { Server as HttpsServer } from "node:https";
import {
  checkServerIdentity,
  type PeerCertificate,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import type { TlsIdentity } from "./certificate-files.ts";
import { type CertificateRole, roleOf } from "./certificate-role.ts";
import type { ClientTimes } from "./limits.ts";
import type { SecurityFiles } from "./security-files.ts";

const OLDEST_VERSION = "TLSv1.2";

/** `require`: the handshake fails for a client without a certificate of the authority. */
export function serverTls(
  identity: TlsIdentity,
  require: boolean,
  { handshakeMs }: ClientTimes,
): TlsOptions {
  return {
    ...contextOf(identity),
    handshakeTimeout: handshakeMs,
    requestCert: true,
    rejectUnauthorized: require,
  };
}

/** Serves new connections with what was written anew. */
export function rotateWith(files: SecurityFiles, server: TlsServer | HttpsServer): void {
  files.onRotation((identity) => server.setSecureContext(contextOf(identity)));
}

/** The role that the other end of a connection has proven; null: none, or no TLS. */
export function peerRole(socket: Partial<TLSSocket>): CertificateRole | null {
  // Without a certificate of the authority the handshake may pass, but not as authorized.
  if (socket.authorized !== true) return null;
  return roleOf(socket.getPeerCertificate?.());
}

/**
 * A client's check of the server: its name as usual, and that it has the role. Another role's
 * certificate, though of the same authority, is refused.
 */
export function serverHasRole(role: CertificateRole) {
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    const wrong = checkServerIdentity(host, certificate);
    if (wrong !== undefined || roleOf(certificate) === role) return wrong;
    return new Error(`the certificate of ${host} is not a ${role}'s`);
  };
}

function contextOf({ ca, cert, key }: TlsIdentity): SecureContextOptions {
  return { ca, cert, key, minVersion: OLDEST_VERSION };
}
