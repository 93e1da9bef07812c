/** The page in a real browser: filters, columns, phone width, accessibility, and the size of a large one. */
import { rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { hasChromium, ownChromium } from "../library/chromium.test-support.ts";
import type { ResultsDocument } from "../results/documents.ts";
import { sweepDocument, validationDocument } from "./documents.test-support.ts";
import { writeReport } from "./write-report.ts";

const require = createRequire(import.meta.url);
const WAIT_MS = 120_000;
const SMOKE = { tags: ["smoke"], timeout: WAIT_MS };

/** 5 schedulers × 100 shapes × 20 loads: 10,000 configurations. */
function hugeDocument(): ResultsDocument {
  const { configurations, ...rest } = sweepDocument();
  const [first] = configurations;
  const all = Array.from({ length: 10_000 }, (_, i) => {
    const [scheduler, detect, plate, load] = [i % 5, (i / 5) % 10, (i / 50) % 10, i / 500].map(
      Math.floor,
    );
    return {
      ...(configurations[(7 * i) % configurations.length] ?? first),
      latencyCurve: { share: [], latencyMs: [] },
      id: `c${i}`,
      parameters: {
        scheduler: `scheduler-${scheduler}`,
        "cluster.replicas.detect": detect + 1,
        "cluster.replicas.plate": plate + 1,
        "workload.ratePerS": 5 * (load + 1),
      },
    };
  });
  return { ...rest, configurations: all };
}

/** 6 schedulers, of which 5 are alike, on 2 shapes under 41 loads. */
function manyLoads(): ResultsDocument {
  const { configurations, ...rest } = sweepDocument();
  const all = Array.from({ length: 41 * 12 }, (_, i) => {
    const [scheduler, detect, load] = [i % 6, (i / 6) % 2, i / 12].map(Math.floor);
    return {
      ...configurations[scheduler === 5 ? 1 : 0],
      slo: detect === 0 && load % 2 === 1 ? ("misses" as const) : ("meets" as const),
      id: `c${i}`,
      parameters: {
        scheduler: `scheduler-of-a-long-name-${scheduler}`,
        "cluster.replicas.detect": detect + 1,
        "workload.ratePerS": 2 * (load + 1),
      },
    };
  });
  return { ...rest, configurations: all };
}

describe.skipIf(!hasChromium)("a report in a browser", () => {
  const folder = temporaryFolder("page");
  const chromium = ownChromium();

  async function written(results: ResultsDocument, options: object = {}): Promise<string> {
    writeFileSync(join(folder, "results.json"), JSON.stringify(results));
    return (await writeReport(folder, options)).html;
  }

  /** The page with all that its console said. */
  async function opened(html: string, width = 1280): Promise<{ page: Page; said: string[] }> {
    const page = await chromium.browser.newPage({ viewport: { width, height: 900 } });
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    await page.goto(pathToFileURL(html).href, { timeout: WAIT_MS });
    return { page, said };
  }

  const shown = (page: Page, selector: string) =>
    page
      .locator(selector)
      .evaluateAll((all) => all.filter((one) => !one.classList.contains("off")).length);

  test("a filter acts on cards, charts and tables; all comes back", SMOKE, async () => {
    writeFileSync(join(folder, "validation.json"), JSON.stringify(validationDocument(9)));
    const { page, said } = await opened(await written(sweepDocument()));
    const [cells, rows, cards] = ["#attainment-map [data-k]", "tbody tr[data-k]", ".card"];
    const before = [await shown(page, cells), await shown(page, rows), await shown(page, cards)];
    await page.selectOption("select[data-letter=s]", { label: "fifo" });
    await page.selectOption("select[data-letter=l]", { label: "16/s" });
    expect(await shown(page, "#latency-quantiles [data-k*='s1 l1'][aria-label]")).toBe(0);
    expect(await shown(page, "#latency-quantiles [data-k*='s0 l1'][aria-label]")).toBeGreaterThan(
      0,
    );
    expect(await shown(page, "#predicted-measured [data-k^='s1']")).toBe(0);
    expect(await shown(page, cards)).toBe(1);
    expect(await shown(page, rows)).toBeLessThan(before[1] ?? 0);
    for (const letter of ["s", "l"]) await page.selectOption(`select[data-letter=${letter}]`, "");
    const after = [await shown(page, cells), await shown(page, rows), await shown(page, cards)];
    expect(after).toEqual(before);
    expect(said).toEqual([]);
    await page.close();
    rmSync(join(folder, "validation.json"));
  });

  test(
    "columns are chosen, and a phone scrolls tables, not the page",
    async () => {
      const { page, said } = await opened(await written(sweepDocument()), 390);
      const heading = page.locator("th", { hasText: "queue wait" }).first();
      await expect.poll(() => heading.isVisible()).toBe(false);
      await page
        .locator(".columns label", { hasText: "queue wait" })
        .first()
        .locator("input")
        .check();
      await expect.poll(() => heading.isVisible()).toBe(true);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
      expect(said).toEqual([]);
      await page.close();
    },
    WAIT_MS,
  );

  test(
    "the decisions of 41 loads are short rows on a phone, and captions are read without scrolling",
    async () => {
      const { page, said } = await opened(await written(manyLoads()), 360);
      await expect.poll(() => page.locator("table[data-minor] .off").count()).toBeGreaterThan(41);
      const decisions = page.locator("#decision tbody tr");
      expect(await decisions.count()).toBe(41);
      const headings = await page.locator("#decision thead th:visible").allTextContents();
      expect(headings.slice(0, 2)).toEqual(["load", "answer"]);
      expect(headings).not.toContain("would help");
      const heights = await decisions.evaluateAll((rows) =>
        rows.map((row) => row.getBoundingClientRect().height),
      );
      expect(Math.max(...heights)).toBeLessThan(120);
      const rights = await page
        .locator("caption:visible > *")
        .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().right));
      expect(rights.length).toBeGreaterThan(2);
      expect(Math.max(...rights)).toBeLessThanOrEqual(360);
      const texts = await page.locator(".chart .narrow svg text").allTextContents();
      expect(texts.filter((text) => text.includes("…"))).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
      expect(said).toEqual([]);
      await page.close();
    },
    WAIT_MS,
  );

  test(
    "each chart has a form for a phone: all of it, in letters as large as they were drawn",
    async () => {
      writeFileSync(join(folder, "validation.json"), JSON.stringify(validationDocument(9)));
      const { page } = await opened(await written(sweepDocument()), 390);
      const drawn = await page.locator(".chart svg:visible").evaluateAll((all) =>
        all.map((one) => {
          const { left, right, width } = one.getBoundingClientRect();
          const scale = width / Number(one.getAttribute("viewBox")?.split(" ")[2]);
          return { name: one.closest("figure")?.id, isInside: left >= 0 && right <= 390, scale };
        }),
      );
      expect(drawn.length).toBeGreaterThan(6);
      expect(drawn.filter(({ isInside, scale }) => !isInside || scale < 0.85)).toEqual([]);
      await page.close();
      rmSync(join(folder, "validation.json"));
    },
    WAIT_MS,
  );

  test.each(["light", "dark"] as const)(
    "axe finds no violation on a %s page",
    async (scheme) => {
      const { page } = await opened(await written(sweepDocument()));
      await page.emulateMedia({ colorScheme: scheme });
      // The page's own policy would refuse a script from outside: it goes in by the debugger.
      await page.evaluate(`${require("axe-core").source}; 0`);
      const found = await page.evaluate(
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes.slice(0, 3).map((n) => n.html).join(' ')))",
      );
      expect(found).toEqual([]);
      await page.close();
    },
    WAIT_MS,
  );

  test(
    "an embedded asset may start a worker from a blob, which no other page may",
    async () => {
      const asset = `<script>
      const url = URL.createObjectURL(new Blob(["postMessage(6 * 7)"]));
      new Worker(url).onmessage = ({ data }) => {
        const { scenario } = JSON.parse(document.getElementById("what-if-scenario").textContent);
        document.getElementById("what-if").textContent = scenario.name + " " + data;
      };
    </script>`;
      const scenario = { scenario: { name: "</script>&" }, digest: "", inputs: {} };
      const { page, said } = await opened(
        await written(sweepDocument(), { whatIf: asset, scenario }),
      );
      await expect.poll(() => page.locator("#what-if").textContent()).toBe("</script>& 42");
      expect(said).toEqual([]);
      await page.close();
      const plain = await opened(await written(sweepDocument()));
      const refused = await plain.page.evaluate(
        "(() => { try { new Worker(URL.createObjectURL(new Blob(['']))); return ''; } catch (e) { return e.name; } })()",
      );
      expect([refused, ...plain.said].join(" ")).toMatch(/SecurityError|Content Security Policy/);
      await plain.page.close();
    },
    WAIT_MS,
  );

  test(
    "10,000 configurations are less than 5 MB, and open",
    async () => {
      const html = await written(hugeDocument());
      expect(statSync(html).size).toBeLessThan(5e6);
      const { page, said } = await opened(html);
      const ms = await page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd");
      console.log(`10,000 configurations: ${statSync(html).size} bytes, loaded in ${ms} ms`);
      expect(await page.locator("figure svg").count()).toBeGreaterThan(3);
      expect(said).toEqual([]);
      await page.close();
    },
    2 * WAIT_MS,
  );
});
