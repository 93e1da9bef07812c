/** Who may use the REST side: by token or certificate, and never from another origin's web page. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { Fault } from "../../core/fault.ts";
import { isOpen, type RequiredRole, refusal } from "./access.ts";
import { isLoopback } from "./bind-address.ts";
import type { SecurityFiles } from "./security-files.ts";
import { peerRole } from "./tls.ts";

/** Throws a Fault unless whoever sends the request may use routes of this role. */
export type RestAccess = (required: RequiredRole, request: IncomingMessage) => void;

/** `host` is where the server listens. */
export function restAccess(files: SecurityFiles, host: string): RestAccess {
  return (required, request) => {
    if (required === "public") return;
    refuseForeignPage(request, files.identity !== null);
    const { rules } = files;
    if (isOpen(rules)) {
      refuseForeignHost(request, host);
      refuseForeignMachine(request, required);
      return;
    }
    const refused = refusal(rules, required, {
      authorization: request.headers.authorization ?? null,
      certificate: peerRole(request.socket as Partial<TLSSocket>),
    });
    if (refused !== null) throw refused;
  };
}

/** A browser names the page's origin in what it sends for it; other clients send none. */
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
 * A page may have made its own name stand for a loopback address (DNS rebinding), and then counts
 * as of the same origin; but the name that it asks for is still its own.
 */
function refuseForeignHost({ headers }: IncomingMessage, host: string): void {
  const asked = hostName(headers.host ?? "");
  if (asked === host || asked === "localhost" || isLoopback(asked)) return;
  throw new Fault("forbidden", `this server is not ${JSON.stringify(asked)}`, {
    hint: "without credentials, it is called by a loopback address or localhost",
  });
}

function refuseForeignMachine(request: IncomingMessage, required: RequiredRole): void {
  if (required !== "admin" || isLoopback(request.socket.remoteAddress ?? "")) return;
  throw new Fault("forbidden", "a deployment is controlled from the gateway's own machine only");
}

/** Without port and brackets. */
function hostName(header: string): string {
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(header);
  return bracketed?.[1] ?? header.replace(/:\d*$/, "").toLowerCase();
}
