/** Calls of a REST side. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { getJson } from "./client-access.ts";

const server = createServer((request, response) => {
  response.write('{"begun": ');
  if (request.url === "/cut") response.destroy();
});
let url: string;
beforeEach(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it("says for how long it waited for an answer that does not come, or not to its end", async () => {
  const late = {
    code: "cluster-failure",
    message: `${url} does not answer: no answer within 0.2 s`,
  };
  await expect(getJson(url, undefined, 200)).rejects.toMatchObject(late);
  await expect(getJson(`${url}/cut`)).rejects.toThrow(/\/cut does not answer: /);
});
