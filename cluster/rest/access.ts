/** Decides who may use a route: by token or certificate, and never a web page of another origin. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { Fault } from "../../core/fault.ts";
import { isOpen, type RequiredRole, refusal } from "../security/access.ts";
import { isLoopback } from "../security/bind-address.ts";
import type { SecurityFiles } from "../security/security-files.ts";
import { peerRole } from "../security/tls.ts";

/** Throws a Fault unless the sender of the request may use routes of this role. `host`: the server's address. */
export function checkAccess(
  { identity, rules }: SecurityFiles,
  host: string,
  required: RequiredRole,
  request: IncomingMessage,
): void {
  if (required === "public") return;
  refuseForeignPage(request, identity !== null);
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

/** Browsers name the origin of the page that asks; other clients send none. */
function refuseForeignPage({ headers }: IncomingMessage, tls: boolean): void {
  const { origin, host, "sec-fetch-site": site } = headers;
  const own = `${tls ? "https" : "http"}://${host}`;
  const foreign = origin !== undefined && origin.toLowerCase() !== own.toLowerCase();
  if (!foreign && site !== "cross-site" && site !== "same-site") return;
  throw new Fault("forbidden", `not for web pages of another origin (${origin ?? site})`, {
    hint: "call it from a program, or from a page of this very server",
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
