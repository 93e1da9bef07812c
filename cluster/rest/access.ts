/** Decides who may use a route: by token or certificate, and no web page of an origin that is not allowed. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { Fault } from "../../core/fault.ts";
import { isOpen, type RequiredRole, refusal } from "../security/access.ts";
import { isLoopback } from "../security/bind-address.ts";
import type { SecurityFiles } from "../security/security-files.ts";
import { peerRole } from "../security/tls.ts";

/** Where a server is called. */
export interface Callers {
  /** The server's address. */
  readonly host: string;
  /** Origins of other servers' pages that may call it. */
  readonly origins: readonly string[];
}

/** Throws a Fault unless the sender of the request may use routes of this role. */
export function checkAccess(
  { identity, rules }: SecurityFiles,
  { host, origins }: Callers,
  required: RequiredRole,
  request: IncomingMessage,
): void {
  if (required === "public") return;
  if (allowedOrigin(request, origins) === null) refuseForeignPage(request, identity !== null);
  if (isOpen(rules)) {
    refuseForeignHost(request, host);
    if (required !== "admin" || isLoopback(request.socket.remoteAddress ?? "")) return;
    throw new Fault("forbidden", "a deployment is controlled from the gateway's own machine only");
  }
  const refused = refusal(rules, required, {
    authorization: request.headers.authorization ?? null,
    certificate: peerRole(request.socket as Partial<TLSSocket>),
  });
  if (refused !== null) throw refused;
}

/** The origin of the page that asks, if it is one of those allowed. */
export function allowedOrigin(
  { headers: { origin } }: IncomingMessage,
  origins: readonly string[],
): string | null {
  return origin !== undefined && origins.includes(origin.toLowerCase()) ? origin : null;
}

/** Browsers name the origin of the page that asks; other clients send none. */
function refuseForeignPage({ headers }: IncomingMessage, tls: boolean): void {
  const { origin, host, "sec-fetch-site": site } = headers;
  const own = `${tls ? "https" : "http"}://${host}`;
  const foreign = origin !== undefined && origin.toLowerCase() !== own.toLowerCase();
  if (!foreign && site !== "cross-site" && site !== "same-site") return;
  throw new Fault("forbidden", `not for web pages of another origin (${origin ?? site})`, {
    hint: "`cluster up --allow-origin` allows it; `tandem web --url` needs no permission",
  });
}

/**
 * Refuses DNS rebinding: a page whose own name resolves to a loopback address counts as of the same
 * origin, but the Host header still has that name.
 */
function refuseForeignHost({ headers }: IncomingMessage, host: string): void {
  const header = headers.host ?? "";
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(header);
  const asked = bracketed?.[1] ?? header.replace(/:\d*$/, "").toLowerCase();
  if (asked === host || asked === "localhost" || isLoopback(asked)) return;
  throw new Fault("forbidden", `this server is not ${JSON.stringify(asked)}`, {
    hint: "without credentials, it is called by a loopback address or localhost",
  });
}
