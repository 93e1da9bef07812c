/** A server that hangs up, as one with TLS does on a client without. */
import { createServer } from "node:net";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";
import { getJson } from "../security/client-access.ts";
import { faultOf, reasonOf } from "./status.ts";

it("a server that hangs up is an error with the next step, over REST and gRPC", async () => {
  const server = createServer((socket) => socket.destroy());
  const address = `127.0.0.1:${await listening(server)}`;
  const rest = { hint: expect.stringContaining("begins with https://") };
  await expect(getJson(`http://${address}`)).rejects.toMatchObject(rest);
  const client = new Client(address, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const error = await new Promise<ServiceError>((resolve) => {
    client.makeUnaryRequest("/s/m", same, same, Buffer.alloc(0), (failure) => resolve(failure!));
  });
  expect(faultOf(error, "m").hint).toContain("needs --certs or --ca");
  expect(reasonOf(error)).not.toMatch(/Resolution note|^$/);
  client.close();
  server.close();
});
