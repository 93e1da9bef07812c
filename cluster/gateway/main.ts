/** The gateway process. */
import { createLogger } from "../observe/logger.ts";
import { gatewayTracing } from "../observe/open-tracing.ts";
import { runChild } from "../processes/child-side.ts";
import { serveHttp } from "../rest/http-server.ts";
import { Gateway } from "./gateway.ts";
import { serveGrpc } from "./grpc-frontend.ts";
import { PipelineModels } from "./pipeline-models.ts";
import type { GatewayReady, GatewaySpecification } from "./specification.ts";

runChild<GatewaySpecification, GatewayReady>(async (specification) => {
  const { host, grpcPort, httpPort } = specification;
  const tracing = await gatewayTracing(specification.trace);
  const logger = createLogger("gateway");
  const gateway = new Gateway(specification, { tracing, logger });
  const models = new PipelineModels(gateway);
  const grpc = await serveGrpc(models, host, grpcPort);
  const http = await serveHttp(models, { host, port: httpPort, control: null });
  const scenario = specification.document.name;
  logger.info({ scenario, grpcPort: grpc.port, httpPort: http.port }, "gateway ready");
  return {
    ready: { grpcPort: grpc.port, httpPort: http.port },
    stop: async () => {
      await gateway.drain();
      await grpc.close();
      await http.close();
      await gateway.close();
      await tracing?.close();
      logger.info({}, "gateway stopped");
    },
  };
});
