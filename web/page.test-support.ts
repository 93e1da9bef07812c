/** The built web app on a server of files, and its pages in Chromium, which remember what went wrong in them. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { listening } from "../checks/support/listening.test-support.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const DESK = { width: 1400, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** A busy machine takes long to do anything. */
export const PATIENCE = { timeout: 90_000 };

export interface OpenedPage {
  readonly page: Page;
  /** Errors and warnings of the console, and uncaught ones. */
  readonly problems: string[];
  /** Addresses. */
  readonly requests: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  viewport = DESK,
  colorScheme: "light" | "dark" = "light",
): Promise<OpenedPage> {
  const page = await browser.newPage({ viewport, colorScheme });
  page.setDefaultTimeout(PATIENCE.timeout);
  const problems: string[] = [];
  page.on("console", (message) => {
    if (/error|warning/.test(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  return { page, problems, requests };
}

/** Findings of axe, each in one line; targets of less than 24 px are findings, too. */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(of: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
      };
    };
    const { violations } = await axe.run({ rules: { "target-size": { enabled: true } } });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}

/** Sends `n` requests at once, and waits until all have ended; gives the tiles of the results. */
export async function sendAtOnce(
  page: Page,
  n: number,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Readonly<Record<string, string>>> {
  await page.getByLabel("How", { exact: true }).selectOption("burst");
  await page.getByRole("textbox", { name: "Requests at once (n)" }).fill(String(n));
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await meanwhile();
  await page.getByTestId("figure-Answers").getByText(`of ${n}`).waitFor(PATIENCE);
  await page.getByRole("button", { name: "Start", exact: true, disabled: false }).waitFor(PATIENCE);
  const tiles = await page.locator("[data-testid^=figure-]").all();
  const entries = tiles.map(async (tile) => [
    ((await tile.getAttribute("data-testid")) ?? "").replace("figure-", ""),
    ((await tile.textContent()) ?? "").trim(),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Readonly<Record<string, string>>;
}

const DIST = join(import.meta.dirname, "../dist/web");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Serves the built app as static files, at `/` and at `/some/path/`. */
export async function serveFiles(
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly server: Server; readonly origin: string }> {
  const server = createServer(({ url = "/" }, answer) => {
    const [path] = url.replace(/^\/some\/path\//, "/").split("?");
    const name = path === "/" ? "index.html" : path.slice(1);
    try {
      const body = readFileSync(join(DIST, name));
      answer.writeHead(200, { "content-type": TYPES[extname(name)] ?? "text/plain", ...headers });
      answer.end(body);
    } catch {
      answer.writeHead(404).end();
    }
  });
  return { server, origin: `http://127.0.0.1:${await listening(server)}` };
}
