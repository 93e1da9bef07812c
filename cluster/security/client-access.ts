/** A client's side of a connection: its credentials, its check of the server, and calls of a REST side with them. */
import { readFileSync } from "node:fs";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { checkServerIdentity, type SecureContextOptions } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from "@grpc/grpc-js";
import { Fault } from "../../engine/basics/fault.ts";
import {
  type CertificateRole,
  hasIdentity,
  readAuthority,
  readIdentity,
  serverHasRole,
  type TlsIdentity,
} from "./tls.ts";

export interface ClientTls {
  /** The trusted authority; null: those of the system. */
  readonly ca: string | null;
  /** The client's own certificate, or null. */
  readonly pair: { readonly cert: string; readonly key: string } | null;
  /** The role that the server must have; null: any server of the name. */
  readonly server: CertificateRole | null;
  /** The name in the server's certificate; default: the host of the address. */
  readonly serverName?: string;
}

export interface ClientAccess {
  /** Null: no TLS. */
  readonly tls: ClientTls | null;
  /** A bearer token. */
  readonly token: string | null;
}

/** For a server on loopback without credentials. */
export const NO_ACCESS: ClientAccess = { tls: null, token: null };

/** For the gateway to its workers, with a folder of certificates or the gateway's own. */
export function workerClientAccess(certificates: string | TlsIdentity | null): ClientAccess {
  if (certificates === null) return NO_ACCESS;
  const identity =
    typeof certificates === "string" ? readIdentity(certificates, "gateway") : certificates;
  return { tls: clientTls(identity, "worker"), token: null };
}

/** For a caller of the gateway. Throws Fault("invalid-input") for files that cannot be read. */
export function gatewayClientAccess(
  certificates: string | null,
  role: "client" | "admin",
  tokenFile: string | null = null,
): ClientAccess {
  const token = tokenFile === null ? null : readToken(tokenFile);
  if (certificates === null) return { tls: null, token };
  // With a token, the authority's certificate alone is enough.
  if (token !== null && !hasIdentity(certificates, role)) {
    return { tls: { ca: readAuthority(certificates), pair: null, server: "gateway" }, token };
  }
  return { tls: clientTls(readIdentity(certificates, role), "gateway"), token };
}

/** For a gateway's own health, which needs no token; the certificate shows that the gateway is ours. */
export function healthAccess(identity: TlsIdentity | null): ClientAccess {
  return identity === null ? NO_ACCESS : { tls: clientTls(identity, "gateway"), token: null };
}

export function clientTls({ ca, cert, key }: TlsIdentity, server: CertificateRole): ClientTls {
  return { ca, pair: { cert, key }, server };
}

/** For the server at `address` (host:port). */
export function channelCredentials({ tls }: ClientAccess, address: string): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const { ca, pair, server } = tls;
  const [root, key, cert] = [ca, pair?.key, pair?.cert].map((pem) =>
    pem ? Buffer.from(pem) : null,
  );
  const check = server === null ? checkServerIdentity : serverHasRole(server);
  const ip = tls.serverName === undefined ? ipOf(address) : null;
  return credentials.createSsl(root, key, cert, {
    checkServerIdentity: (name, certificate) => check(ip ?? name, certificate),
  });
}

/** Channel options for a server whose certificate has another name than its address. */
export function nameOptions({ tls }: ClientAccess, address: string): ChannelOptions {
  const name = tls?.serverName;
  if (name !== undefined) {
    return { "grpc.ssl_target_name_override": name, "grpc.default_authority": name };
  }
  // TLS names no server by its IP address, and Node warns of one that does (DEP0123): the certificate is checked for it.
  return tls === null || ipOf(address) === null ? {} : { "grpc.ssl_target_name_override": UNNAMED };
}

const UNNAMED = "localhost";

function ipOf(address: string): string | null {
  const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return isIP(host) === 0 ? null : host;
}

export function callMetadata({ token }: ClientAccess): Metadata {
  const metadata = new Metadata();
  if (token !== null) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

/** Options of `https.request`. */
function httpsOptions({ tls }: ClientAccess): SecureContextOptions {
  if (tls === null) return {};
  const { ca, pair, server } = tls;
  return { ...(ca === null ? {} : { ca }), ...pair, ...identityCheck(server) };
}

function identityCheck(server: CertificateRole | null) {
  return server === null ? {} : { checkServerIdentity: serverHasRole(server) };
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

const TIMEOUT_MS = 30_000;

interface JsonAnswer {
  readonly status: number;
  readonly value: Record<string, unknown>;
}

/** Throws Fault("cluster-failure") when nothing answers, or not in JSON. */
export async function getJson(
  url: string,
  access: ClientAccess = NO_ACCESS,
  timeoutMs = TIMEOUT_MS,
): Promise<JsonAnswer> {
  return inJson(url, await send("GET", url, access, null, timeoutMs));
}

export async function postJson(
  url: string,
  body: object,
  access: ClientAccess = NO_ACCESS,
): Promise<JsonAnswer> {
  return inJson(url, await send("POST", url, access, JSON.stringify(body)));
}

/** Throws Fault("cluster-failure") when nothing answers. */
export function deleteAt(url: string, access: ClientAccess = NO_ACCESS) {
  return send("DELETE", url, access);
}

/** The text of a successful answer. Throws Fault("cluster-failure") otherwise. */
export async function getText(url: string, access: ClientAccess = NO_ACCESS): Promise<string> {
  const { status, text } = await send("GET", url, access);
  if (status >= 200 && status < 300) return text;
  throw new Fault("cluster-failure", `GET ${url} was answered ${status}: ${text}`);
}

function inJson(url: string, { status, text }: { status: number; text: string }): JsonAnswer {
  try {
    return { status, value: JSON.parse(text) as Record<string, unknown> };
  } catch (cause) {
    const message = `${url} did not answer in JSON (status ${status})`;
    throw new Fault("cluster-failure", message, { cause });
  }
}

function send(
  method: string,
  url: string,
  access: ClientAccess,
  body: string | null = null,
  timeoutMs = TIMEOUT_MS,
): Promise<{ status: number; text: string }> {
  const headers = {
    ...(access.token === null ? {} : { authorization: `Bearer ${access.token}` }),
    ...(body === null ? {} : { "content-type": "application/json" }),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  const options = { method, headers, signal, ...httpsOptions(access) };
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      const why = signal.aborted ? `no answer within ${timeoutMs / 1000} s` : cause.message;
      const hint = "is a server up there? The address of one with TLS begins with https://";
      reject(new Fault("cluster-failure", `${url} does not answer: ${why}`, { hint, cause }));
    };
    const ask = url.startsWith("https:") ? requestHttps : requestHttp;
    const request = ask(url, options, (answer) => {
      const { statusCode: status = 0 } = answer;
      textOf(answer).then((text) => resolve({ status, text }), fail);
    });
    request.on("error", fail);
    request.end(body ?? undefined);
  });
}
