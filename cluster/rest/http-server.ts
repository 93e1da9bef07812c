/** The gateway's REST side as a server; what it serves is in `routes.ts`. */
import type { PipelineModels } from "../gateway/pipeline-models.ts";
import type { ReplicaControl } from "../gateway/replica-control.ts";
import { restAccess } from "../security/rest-access.ts";
import { createRestServer, listenRest } from "../security/rest-server.ts";
import type { SecurityFiles } from "../security/security-files.ts";
import { createRouter } from "./router.ts";
import { gatewayRoutes } from "./routes.ts";

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
}

export async function serveHttp(models: PipelineModels, options: HttpOptions): Promise<HttpServer> {
  const { host, port, control, security } = options;
  const server = createRestServer(security);
  server.on("request", createRouter(gatewayRoutes(models, control), restAccess(security, host)));
  return {
    port: await listenRest(server, security, host, port),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
