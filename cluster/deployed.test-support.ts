/** One deployment for all tests of a file or of a block. */
import { afterAll, beforeAll } from "vitest";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import type { DeploymentOptions } from "./deploy/options.ts";
import { NO_INPUTS } from "./deployment.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";

interface Deployed {
  deployment: Deployment;
  /** A client of its gateway. */
  client: InferenceClient;
  http: string;
}

/** Its fields are there once tests run, where it is wanted. */
export function deployed(
  options: Partial<DeploymentOptions> & Pick<DeploymentOptions, "document" | "backend">,
  isWanted = true,
): Readonly<Deployed> {
  const own = {} as Deployed;
  beforeAll(async () => {
    if (!isWanted) return;
    own.deployment = await startDeployment({ inputs: NO_INPUTS, seed: "test", ...options });
    own.client = new InferenceClient(own.deployment.gateway.grpc);
    own.http = own.deployment.gateway.http;
  });
  afterAll(async () => {
    own.client?.close();
    await own.deployment?.stop();
  });
  return own;
}
