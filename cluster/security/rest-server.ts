/** The HTTP(S) server under the REST side, with its limits. */

import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Fault } from "../../core/fault.ts";
import { requireSafeBinding } from "./bind-address.ts";
import { type ClientTimes, LIMITS } from "./limits.ts";
import { rotateWith, type SecurityFiles } from "./security-files.ts";
import { serverTls } from "./tls.ts";

/** Not listening yet. A client without a certificate is let in: the routes decide. */
export function createRestServer(security: SecurityFiles, times: ClientTimes): Server {
  const { identity } = security;
  const options: ServerOptions = {
    headersTimeout: times.headersMs,
    requestTimeout: times.requestMs,
    connectionsCheckingInterval: times.checkMs,
    maxHeaderSize: LIMITS.headerBytes,
  };
  const server =
    identity === null
      ? createServer(options)
      : createHttpsServer({ ...options, ...serverTls(identity, false, times) });
  if (identity !== null) rotateWith(security, server as HttpsServer);
  // Node drops those beyond, unsaid: one more, so that too many are seen.
  server.maxHeadersCount = LIMITS.headers + 1;
  server.maxConnections = LIMITS.connections;
  return server;
}

/** Gives the port. Throws Fault("usage") for an unsafe address. */
export async function listenRest(
  server: Server,
  security: SecurityFiles,
  host: string,
  port: number,
): Promise<number> {
  await requireSafeBinding(host, security.identity !== null);
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
