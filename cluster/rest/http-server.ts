/** The gateway's REST side as a server; what it serves is in `routes.ts`. */

import type { PipelineModels } from "../front/pipeline-models.ts";
import type { ReplicaControl } from "../run/replica-control.ts";
import type { CallerBounds } from "../security/limits.ts";
import { restAccess } from "../security/rest-access.ts";
import { createRestServer, listenRest } from "../security/rest-server.ts";
import type { SecurityFiles } from "../security/security-files.ts";
import { until } from "../time/monotonic.ts";
import { createRouter } from "./router.ts";
import { gatewayRoutes } from "./routes.ts";

/** How long answers that are being sent may still take when the server ends. */
const LAST_ANSWERS_MS = 2000;

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface HttpOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Null: replicas cannot be controlled. */
  readonly control: ReplicaControl | null;
  readonly security: SecurityFiles;
  readonly held: CallerBounds;
}

export async function serveHttp(models: PipelineModels, options: HttpOptions): Promise<HttpServer> {
  const { host, port, control, security, held } = options;
  const server = createRestServer(security, held.times);
  const routes = gatewayRoutes(models, control, security.rules);
  server.on("request", createRouter(routes, restAccess(security, host), held));
  let answering = 0;
  server.on("request", (_, response) => {
    answering++;
    response.once("close", () => answering--);
  });
  return {
    port: await listenRest(server, security, host, port),
    close: async () => {
      // A server that closes cuts off what it has written and nobody has read yet.
      await until(() => answering === 0, LAST_ANSWERS_MS);
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
