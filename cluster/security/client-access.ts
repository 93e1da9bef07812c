/** What a client shows a server, and how it knows the server. */

import { readFileSync } from "node:fs";
import type { SecureContextOptions } from "node:tls";
import { type ChannelCredentials, credentials, Metadata } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { readIdentity, type TlsIdentity } from "./certificate-files.ts";
import type { CertificateRole } from "./certificate-role.ts";
import { serverHasRole } from "./tls.ts";

export interface ClientAccess {
  /** Null: no TLS. */
  readonly tls: { readonly identity: TlsIdentity; readonly server: CertificateRole } | null;
  /** A bearer token. */
  readonly token: string | null;
}

/** To a server on loopback that asks for nothing. */
export const NO_ACCESS: ClientAccess = { tls: null, token: null };

/** The gateway to its workers. */
export function workerClientAccess(identity: TlsIdentity | null): ClientAccess {
  return identity === null ? NO_ACCESS : { tls: { identity, server: "worker" }, token: null };
}

/**
 * A caller of the gateway, with a folder of certificates, a file with a token, both or neither.
 * Throws Fault("invalid-input") when one cannot be read.
 */
export function gatewayClientAccess(
  certificates: string | null,
  role: "client" | "admin",
  tokenFile: string | null = null,
): ClientAccess {
  return {
    tls:
      certificates === null
        ? null
        : { identity: readIdentity(certificates, role), server: "gateway" },
    token: tokenFile === null ? null : readToken(tokenFile),
  };
}

export function channelCredentials({ tls }: ClientAccess): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const { ca, cert, key } = tls.identity;
  return credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), {
    checkServerIdentity: serverHasRole(tls.server),
  });
}

export function callMetadata({ token }: ClientAccess): Metadata {
  const metadata = new Metadata();
  if (token !== null) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

/** Options of `https.request`. */
export function httpsOptions({ tls }: ClientAccess): SecureContextOptions & {
  checkServerIdentity?: ReturnType<typeof serverHasRole>;
} {
  if (tls === null) return {};
  return { ...tls.identity, checkServerIdentity: serverHasRole(tls.server) };
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new Fault("invalid-input", `cannot read the token: ${(cause as Error).message}`, {
      hint: "the file holds one token, as `tandem cluster token` prints it",
      cause,
    });
  }
}
