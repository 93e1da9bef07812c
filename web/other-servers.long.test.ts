/** The web app before servers that are not a gateway on its own origin. */

import { createServer, type Server } from "node:http";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listening } from "../checks/support/listening.test-support.ts";
import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import { NO_INPUTS, twoTasks } from "../cluster/deployment.test-support.ts";
import type { HttpServer } from "../cluster/rest/http-server.ts";
import { serveWeb } from "../cluster/web/web-server.ts";
import { hasChromium, ownChromium } from "../library/chromium.test-support.ts";
import { axeViolations, openPage, PATIENCE, sendAtOnce, serveFiles } from "./page.test-support.ts";

const TOKEN = "kserve-token";

/** Headers that let pages of any origin call a server. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*, authorization",
};

/** A server of the protocol as KServe's: no repository, no control, no CORS by itself; it asks for a token. */
function foreignServer(headers: Readonly<Record<string, string>> = {}): Server {
  return createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const reply = (status: number, value: object): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    request.resume();
    request.on("end", () => {
      if (request.method === "OPTIONS") return response.end();
      if (request.url === "/v2")
        return reply(200, { name: "kserve", version: "1", extensions: [] });
      if (request.headers.authorization !== `Bearer ${TOKEN}`) return reply(401, { error: "who?" });
      const input = { name: "x", datatype: "FP32", shape: [-1, 4] };
      if (/^\/v2\/models\/\w+$/.test(request.url ?? "")) {
        return reply(200, { name: "any", platform: "sklearn", inputs: [input], outputs: [] });
      }
      if (request.url === "/v2/models/cut/infer") {
        return response.end('{"outputs": [{"na');
      }
      if (request.url === "/v2/models/full/infer") return reply(500, { error: "out of memory" });
      if (request.url === "/v2/models/mute/infer") return;
      if (request.url !== "/v2/models/iris/infer") return reply(404, { error: "not here" });
      const output = { name: "class", datatype: "INT64", shape: [1], data: [2] };
      reply(200, { model_name: "iris", outputs: [output] });
    });
  });
}

const chromium = ownChromium();

describe.skipIf(!hasChromium)("`tandem web` before a server without control", () => {
  const foreign = foreignServer();
  let web: HttpServer;

  beforeAll(async () => {
    web = await serveWeb({
      url: `http://127.0.0.1:${await listening(foreign)}`,
      port: 0,
      ca: null,
    });
  });
  afterAll(async () => {
    await web.close();
    foreign.closeAllConnections();
    foreign.close();
  });

  test("asks for a token, hides control, and measures by tensors", async () => {
    const { page, problems } = await openPage(chromium.browser, `http://127.0.0.1:${web.port}`);
    await page.getByText("it asks for a token").waitFor(PATIENCE);
    await showToken(page, "another", "it does not take this token");
    expect(page.url()).not.toContain("server=");
    await showToken(page, TOKEN, "no control of it");
    expect(await page.getByRole("heading", { name: "Hardware in use" }).count()).toBe(0);
    expect(await page.getByRole("heading", { name: "Scheduler" }).count()).toBe(0);
    await page.getByRole("textbox", { name: "Model" }).fill("iris");
    expect(await sendAtOnce(page, 30)).toMatchObject({ Answers: "30 of 30" });
    expect(await page.getByTestId("answer").first().textContent()).toContain("iris");
    for (const [model, why] of [
      ["cut", 'the answer has no outputs: {"outputs": [{"na'],
      ["full", "HTTP 500"],
    ] as const) {
      await page.getByRole("textbox", { name: "Model" }).fill(model);
      expect(await sendAtOnce(page, 3)).toMatchObject({ Answers: "0 of 3" });
      expect(await page.getByTestId("answer").first().textContent()).toContain(why);
    }
    // Answers that never come are given up after the limit, and counted apart.
    await page.getByRole("textbox", { name: "Model" }).fill("mute");
    await limitTo(page, 1);
    expect(await sendAtOnce(page, 3)).toMatchObject({ Answers: "0 of 3", "Timed out": "3" });
    expect(await page.getByTestId("answer").first().textContent()).toContain(LATE);
    // Within the limit they are counted as sent, and given up by Stop.
    await limitTo(page, 600);
    await page.getByRole("textbox", { name: "Requests at once (n)" }).fill("4");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByTestId("figure-Answers").getByText("0 of 4").waitFor(PATIENCE);
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await page.getByText("Stopped: requests under way were given up").waitFor(PATIENCE);
    expect(await page.getByTestId("figure-Answers").textContent()).toBe("0 of 4");
    expect(page.url()).not.toContain(TOKEN);
    expect(await page.evaluate("JSON.stringify(localStorage)")).not.toContain(TOKEN);
    expect(await axeViolations(page)).toEqual([]);
    // Chromium writes each answer of 401 and 404 to the console.
    expect(problems.filter((text) => !/status of 40[14]/.test(text))).toEqual([]);
    await page.close();
  });
});

const LATE = "no answer within 1 s";

/** No answer comes within a tenth of a second. */
const SLOW = twoTasks({
  models: {
    detector: { service: { distribution: "deterministic", meanMs: 200 } },
    reader: { service: { distribution: "deterministic", meanMs: 20 } },
  },
});

async function showToken(page: Page, token: string, said: string): Promise<void> {
  await page.getByRole("textbox", { name: "Token" }).fill(token);
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText(said).waitFor(PATIENCE);
}

async function limitTo(page: Page, limitS: number): Promise<void> {
  await page.getByRole("textbox", { name: "Give a request up after, s" }).fill(String(limitS));
  await page.keyboard.press("Tab");
}

describe.skipIf(!hasChromium)("the app as static files of another server", () => {
  let files: Server;
  let origin: string;
  let deployment: Deployment;

  beforeAll(async () => {
    ({ server: files, origin } = await serveFiles());
    const options = { document: SLOW, inputs: NO_INPUTS, seed: "web", spareReplicas: 1 };
    deployment = await startDeployment({ ...options, backend: "replay", origins: [origin] });
  });
  afterAll(async () => {
    await deployment?.stop();
    files.closeAllConnections();
    files.close();
  });

  test("sends by itself to a server without a proxy, and gives up what never comes", async () => {
    const foreign = foreignServer(CORS);
    const server = encodeURIComponent(`http://127.0.0.1:${await listening(foreign)}`);
    const { page } = await openPage(
      chromium.browser,
      `${origin}/#server=${server}&send=none&model=iris`,
    );
    await page.getByText("it asks for a token").waitFor(PATIENCE);
    await showToken(page, TOKEN, "no control of it");
    expect(await sendAtOnce(page, 8)).toMatchObject({ Answers: "8 of 8" });
    await page.getByRole("textbox", { name: "Model" }).fill("mute");
    await limitTo(page, 1);
    expect(await sendAtOnce(page, 7)).toMatchObject({ Answers: "0 of 7", "Timed out": "7" });
    expect(await page.getByTestId("answer").first().textContent()).toContain(LATE);
    await page.close();
    foreign.closeAllConnections();
    foreign.close();
  });

  test("connects to a gateway that allows its origin, controls and measures it", async () => {
    const server = encodeURIComponent(deployment.gateway.http);
    const opened = await openPage(
      chromium.browser,
      `${origin}/some/path/#server=${server}&send=none`,
    );
    const { page } = opened;
    await page.getByText("Connected to tandem-gateway").waitFor(PATIENCE);
    await page.getByRole("button", { name: "Add a plate" }).click();
    await page.getByRole("row").filter({ hasText: "plate-2" }).waitFor(PATIENCE);
    expect(await sendAtOnce(page, 15)).toMatchObject({ Answers: "15 of 15" });
    await limitTo(page, 0.1);
    expect(await sendAtOnce(page, 5)).toMatchObject({ Answers: "0 of 5", "Timed out": "5" });
    // The four test cases give requests up after the same limit: three trials of 1, 2, 2 and 2 requests.
    const card = page.getByRole("region", { name: "The four test cases" });
    await card.getByText("given up after 0.1 s").waitFor(PATIENCE);
    const run = card.getByRole("button", { name: "Run the four cases" });
    await run.click();
    const late = async () => (await card.textContent())?.match(/\d+ timed out/g);
    await expect.poll(late, PATIENCE).toEqual(["3", "6", "6", "6"].map((n) => `${n} timed out`));
    await expect.poll(() => run.isEnabled(), PATIENCE).toBe(true);
    await page.close();
  });
});
