/** What a client shows a server, and how it knows the server. */

import { readFileSync } from "node:fs";
import type { SecureContextOptions } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { hasIdentity, readAuthority, readIdentity, type TlsIdentity } from "./certificate-files.ts";
import type { CertificateRole } from "./certificate-role.ts";
import { serverHasRole } from "./tls.ts";

export interface ClientTls {
  /** The authority that the server's certificate is to be of; null: any that the system trusts. */
  readonly ca: string | null;
  /** Null: the client has no certificate of its own, but perhaps a token. */
  readonly pair: { readonly cert: string; readonly key: string } | null;
  /** What the server is to be; null: whatever has the name. */
  readonly server: CertificateRole | null;
  /** The name that its certificate is to have; default: the address's. */
  readonly serverName?: string;
}

export interface ClientAccess {
  /** Null: no TLS. */
  readonly tls: ClientTls | null;
  /** A bearer token. */
  readonly token: string | null;
}

/** To a server on loopback that asks for nothing. */
export const NO_ACCESS: ClientAccess = { tls: null, token: null };

/** The gateway to its workers, with a folder of certificates or without. */
export function workerClientAccess(certificates: string | null): ClientAccess {
  if (certificates === null) return NO_ACCESS;
  return { tls: clientTls(readIdentity(certificates, "gateway"), "worker"), token: null };
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
  const token = tokenFile === null ? null : readToken(tokenFile);
  if (certificates === null) return { tls: null, token };
  // Whoever has a token may have been given the authority's certificate alone.
  if (token !== null && !hasIdentity(certificates, role)) {
    return { tls: { ca: readAuthority(certificates), pair: null, server: "gateway" }, token };
  }
  return { tls: clientTls(readIdentity(certificates, role), "gateway"), token };
}

export function clientTls({ ca, cert, key }: TlsIdentity, server: CertificateRole): ClientTls {
  return { ca, pair: { cert, key }, server };
}

export function channelCredentials({ tls }: ClientAccess): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const { ca, pair, server } = tls;
  const [key, cert] = pair === null ? [null, null] : [pair.key, pair.cert].map(asBuffer);
  return credentials.createSsl(ca === null ? null : asBuffer(ca), key, cert, {
    ...(server === null ? {} : { checkServerIdentity: serverHasRole(server) }),
  });
}

/** Of a channel, for a server that is not called by its own name. */
export function nameOptions({ tls }: ClientAccess): ChannelOptions {
  const name = tls?.serverName;
  if (name === undefined) return {};
  return { "grpc.ssl_target_name_override": name, "grpc.default_authority": name };
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
  const { ca, pair, server } = tls;
  return {
    ...(ca === null ? {} : { ca }),
    ...pair,
    ...(server === null ? {} : { checkServerIdentity: serverHasRole(server) }),
  };
}

function asBuffer(text: string): Buffer {
  return Buffer.from(text);
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
