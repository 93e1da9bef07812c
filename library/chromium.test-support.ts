/** Chromium for tests, headless and quiet: no call leaves the machine. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

const executablePath = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((path) => existsSync(path));

/** For `test.skipIf(!hasChromium)`. */
export const hasChromium = needs("a browser (chromium)", executablePath !== undefined);

/** One browser for all tests of a file or of a block: there once they run, where this machine has one. */
export function ownChromium(): { readonly browser: Browser } {
  const own = {} as { browser: Browser };
  beforeAll(async () => {
    if (hasChromium) own.browser = await launched();
  });
  afterAll(() => own.browser?.close());
  return own;
}

function launched(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
}
