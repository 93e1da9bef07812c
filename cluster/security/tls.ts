/** Roles of certificates, and the TLS options of both ends. */
import {
  checkServerIdentity,
  type PeerCertificate,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import type { ClientTimes } from "./limits.ts";

/** Everyone in a deployment. A client may infer; an admin may also control. */
export const CERTIFICATE_ROLES = ["gateway", "worker", "client", "admin"] as const;
export type CertificateRole = (typeof CERTIFICATE_ROLES)[number];

/** A role's key pair with the authority that it trusts, all PEM. */
export interface TlsIdentity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The URI name that gives a certificate its role. */
export function roleUri(role: CertificateRole): string {
  return `urn:tandem:role:${role}`;
}

/** The role of a verified certificate. Node quotes names that hold a comma, so none can pose as another. */
export function roleOf(certificate: Partial<PeerCertificate> | undefined): CertificateRole | null {
  const names = (certificate?.subjectaltname ?? "").split(", ");
  return CERTIFICATE_ROLES.find((role) => names.includes(`URI:${roleUri(role)}`)) ?? null;
}

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

/** The proven role of a connection's other end; null without one, or without TLS. */
export function peerRole(socket: Partial<TLSSocket>): CertificateRole | null {
  // A handshake may succeed without a certificate of the authority.
  if (socket.authorized !== true) return null;
  return roleOf(socket.getPeerCertificate?.());
}

/** A client's check of a server: its name, and that its certificate has the role. */
export function serverHasRole(role: CertificateRole) {
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    const wrong = checkServerIdentity(host, certificate);
    if (wrong !== undefined || roleOf(certificate) === role) return wrong;
    return new Error(`the certificate of ${host} is not a ${role}'s`);
  };
}

export function contextOf({ ca, cert, key }: TlsIdentity): SecureContextOptions {
  return { ca, cert, key, minVersion: OLDEST_VERSION };
}
