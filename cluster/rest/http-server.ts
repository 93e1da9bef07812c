/** The gateway's REST side as a server; what it serves is in `routes.ts`. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Fault } from "../../core/fault.ts";
import type { PipelineModels } from "../gateway/pipeline-models.ts";
import type { ReplicaControl } from "../gateway/replica-control.ts";
import { type Access, createRouter } from "./router.ts";
import { gatewayRoutes } from "./routes.ts";

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

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
}

export async function serveHttp(models: PipelineModels, options: HttpOptions): Promise<HttpServer> {
  const { host, port, control } = options;
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 });
  server.on("request", createRouter(gatewayRoutes(models, control), onlyLoopback));
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A deployment is changed from the gateway's own machine only. */
const onlyLoopback: Access = (role, request: IncomingMessage) => {
  if (role !== "admin" || LOOPBACK.test(request.socket.remoteAddress ?? "")) return;
  throw new Fault("not-found", "a deployment is controlled from the gateway's own machine only");
};

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
}
