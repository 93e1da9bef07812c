/** The page in a real browser: its script runs to the end, and the page's own policy lets it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { hasChromium, ownChromium } from "../library/chromium.test-support.ts";
import { sweepDocument, validationDocument } from "./documents.test-support.ts";
import { writeReport } from "./write-report.ts";

const MARKS = ["point", "bar", "rect mark"]
  .map((kind) => `.chart svg [aria-roledescription="${kind}"]`)
  .join(",");

const folder = temporaryFolder("browser");
const chromium = ownChromium();

test.skipIf(!hasChromium)(
  "the report opens in a browser: charts drawn, tables that sort, no error and nothing blocked",
  async () => {
    const write = (name: string, document: unknown) =>
      writeFileSync(join(folder, name), JSON.stringify(document));
    write("results.json", sweepDocument());
    write("validation.json", validationDocument(2));
    const { html, charts } = await writeReport(folder);
    const page = await chromium.browser.newPage();
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    await page.goto(pathToFileURL(html).href);
    expect(await page.locator("svg[aria-label]:visible").count()).toBe(charts.length);
    expect(await page.locator("th > button").count()).toBeGreaterThan(10);
    expect(await page.locator("#filters").isVisible()).toBe(true);
    expect(await page.locator("#tip").count()).toBe(1);
    const silent = await page.locator(MARKS).evaluateAll((all, marks) => {
      return all.flatMap((mark) => {
        if (mark.getBoundingClientRect().width === 0) return [];
        mark.scrollIntoView({ block: "center" });
        const { x, y, width, height } = mark.getBoundingClientRect();
        const under = mark.ownerDocument.elementFromPoint(x + width / 2, y + height / 2);
        return under?.closest(marks) == null ? [mark.getAttribute("aria-label")] : [];
      });
    }, MARKS);
    expect(silent).toEqual([]);
    await page.locator("#attainment-map [aria-roledescription^=rect]:visible").first().hover();
    expect(await page.locator("#tip").textContent()).toMatch(/% within 500 ms/);
    const panels = page.locator("#attainment-map .wide g[class$=cell] > g:visible");
    expect(await panels.count()).toBe(3);
    await page.selectOption("select[data-letter=s]", { label: "fifo" });
    expect(await panels.count()).toBe(1);
    expect(said).toEqual([]);
    const id = `scheduler=fifo,replicas={${"detect:3,plate:2,".repeat(9)}}`.replaceAll(" ", "");
    const { configurations, ...rest } = sweepDocument();
    const long = configurations.map((one) => ({ ...one, id, notes: [id] }));
    write("results.json", { ...rest, scenario: { name: id, digest: id }, configurations: long });
    await page.setViewportSize({ width: 400, height: 800 });
    await page.goto(pathToFileURL((await writeReport(folder)).html).href);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(400);
  },
  120_000,
);
