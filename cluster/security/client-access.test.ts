/** Calls of a REST side. */
import { createServer } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";
import { getJson } from "./client-access.ts";

const server = createServer((request, response) => {
  response.write('{"begun": ');
  if (request.url === "/cut") response.destroy();
});
let url: string;
beforeEach(async () => {
  url = `http://127.0.0.1:${await listening(server)}`;
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
