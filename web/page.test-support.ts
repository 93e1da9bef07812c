/** A page of the web app in Chromium, that remembers what went wrong in it. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const DESK = { width: 1400, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** A busy machine takes long to do anything. */
export const PATIENCE = { timeout: 90_000 };

export interface OpenedPage {
  readonly page: Page;
  /** Errors and warnings of the console, and uncaught ones. */
  readonly problems: string[];
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
  await page.goto(url);
  return { page, problems };
}

/** What axe finds, each in one line. */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}

/** Sends `n` requests at once, and waits until all have ended; gives the tiles of the results. */
export async function sendAtOnce(
  page: Page,
  n: number,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Readonly<Record<string, string>>> {
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
