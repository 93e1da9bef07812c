/** A gateway's link to a replica of a real gRPC server in this process. */
import { afterAll, afterEach, expect, test } from "vitest";
import { eventually } from "../deployment.test-support.ts";
import { InferenceClient } from "../protocol/client.ts";
import { workerAccess } from "../protocol/grpc-guard.ts";
import { type InferenceServer, serveInference } from "../protocol/server.ts";
import { SecurityFiles } from "../security/access.ts";
import { machineClock, PreciseTimer } from "../time/clock.ts";
import { ReplicaLinks } from "./replica-links.ts";

const REPLICA = "only-1";
const security = new SecurityFiles({ certificates: null, tokens: null }, "worker");
let server: InferenceServer;
let links: ReplicaLinks;
const alarms = new PreciseTimer();
afterAll(() => alarms.close());
afterEach(async () => {
  links.close();
  await server.close();
});

/** A worker that answers nothing. */
async function serveSilently(): Promise<InferenceServer> {
  const nothing = async (): Promise<void> => undefined;
  return serveInference(
    {
      metadata: { name: "silent", version: "1", extensions: [] },
      ready: () => true,
      models: new Map(),
      control: { load: nothing, unload: nothing },
      infer: () => undefined,
    },
    { host: "127.0.0.1", port: 0, services: [REPLICA], access: workerAccess(security) },
  );
}

test("a command to load that is under way when its replica is lost has failed", async () => {
  server = await serveSilently();
  links = new ReplicaLinks(1, (address) => new InferenceClient(address), machineClock(alarms));
  links.attach(0, REPLICA, `127.0.0.1:${server.port}`, () => undefined);
  const link = links.of(0);
  expect(await eventually(() => link.up)).toBe(true);
  const done = new Promise((resolve) => link.command("load", resolve));
  server.health.setStatus(REPLICA, "NOT_SERVING");
  expect(await eventually(() => !link.up)).toBe(true);
  expect(await done).toBe(false);
});
