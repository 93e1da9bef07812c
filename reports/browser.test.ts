/** The page in a real browser: its script runs to the end, and the page's own policy lets it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { hasChromium, launchChromium } from "../library/chromium.test-support.ts";
import { sweepDocument, validationDocument } from "./documents.test-support.ts";
import { writeReport } from "./write-report.ts";

test.skipIf(!hasChromium)(
  "the report opens in a browser: charts drawn, tables that sort, no error and nothing blocked",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tandem-browser-"));
    const browser = await launchChromium();
    try {
      const write = (name: string, document: unknown) =>
        writeFileSync(join(folder, name), JSON.stringify(document));
      write("results.json", sweepDocument());
      write("validation.json", validationDocument(2));
      const { html, charts } = await writeReport(folder, { png: false });
      const page = await browser.newPage();
      const said: string[] = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(error.message));
      await page.goto(pathToFileURL(html).href);
      expect(await page.locator("svg[aria-label]:visible").count()).toBe(charts.length);
      expect(await page.locator("th > button").count()).toBeGreaterThan(10);
      expect(await page.locator("#filters").isVisible()).toBe(true);
      expect(await page.locator("#tip").count()).toBe(1);
      expect(said).toEqual([]);
    } finally {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
