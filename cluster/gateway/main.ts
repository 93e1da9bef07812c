/** The gateway process. */
import { setFlagsFromString } from "node:v8";
import { importTexts } from "../../build/import-text.ts";
import { ownScheduler } from "../../schedulers/own-scheduler.ts";
import { PipelineModels } from "../front/pipeline-models.ts";
import { serveGrpc } from "../front/serve-grpc.ts";
import { createLogger } from "../observe/logger.ts";
import { gatewayTracing } from "../observe/open-tracing.ts";
import { runChild, toParent } from "../processes/child-side.ts";
import { gatewayAccess } from "../protocol/grpc-guard.ts";
import { serveHttp } from "../rest/http-server.ts";
import { Gateway } from "../run/gateway.ts";
import { ReplicaControl } from "../run/replica-control.ts";
import type { GatewayReady, GatewaySpecification } from "../run/specification.ts";
import { SecurityFiles } from "../security/access.ts";
import { type ClientAccess, workerClientAccess } from "../security/client-access.ts";
import { incomingShares } from "../security/limits.ts";

/**
 * Young generation of the timer's thread, MiB. A thread takes its sizes from the process's flags, whatever
 * its Worker's limits are, and would need ten minutes to fill the gateway's size for the first time. The
 * gateway's own heap exists by now.
 */
const THREAD_HEAP = ["--min-semi-space-size=1", "--max-semi-space-size=1"];
for (const flag of THREAD_HEAP) setFlagsFromString(flag);

runChild<GatewaySpecification, GatewayReady>(async (specification) => {
  const { host, origins, grpcPort, httpPort, elsewhere } = specification;
  const logger = createLogger("gateway");
  const own = await importTexts(specification.inputs.schedulerFiles ?? {}, ownScheduler);
  const appendTo = elsewhere === undefined ? null : toParent;
  const tracing = await gatewayTracing(specification.trace, logger, appendTo?.("trace"));
  const security = new SecurityFiles(specification.security, "gateway", elsewhere?.callers);
  // Reads the certificates again for each connection, as they may change.
  const workerAccess = (): ClientAccess =>
    workerClientAccess(elsewhere?.workers ?? specification.workerCertificates);
  const gateway = new Gateway(specification, workerAccess, {
    tracing,
    logger,
    own,
    appendRecord: appendTo?.("record"),
  });
  const models = new PipelineModels(gateway);
  const control = specification.spareReplicas === 0 ? null : new ReplicaControl(gateway);
  const { clientTimes: times, maxIncomingBytes, connectionsPerAddress } = gateway.bounds;
  const incoming = incomingShares(maxIncomingBytes);
  const held = { times, incoming, connectionsPerAddress, refusals: gateway.refusals };
  const grpc = await serveGrpc(models, host, grpcPort, gatewayAccess(security, held));
  const http = await serveHttp(models, { host, origins, port: httpPort, control, security, held });
  const scenario = specification.document.name;
  logger.info({ scenario, grpcPort: grpc.port, httpPort: http.port }, "gateway ready");
  return {
    ready: { grpcPort: grpc.port, httpPort: http.port },
    stop: async () => {
      await gateway.drain();
      await grpc.close();
      await http.close();
      await gateway.close();
      security.close();
      await tracing?.close();
      logger.info({}, "gateway stopped");
    },
  };
});
