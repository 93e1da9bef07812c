/** "What if" in Chromium: as a report embeds it, from `file://`, and as a tab of the app. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { tandemHere } from "../../cli/tandem-here.test-support.ts";
import { hasChromium, ownChromium } from "../../library/chromium.test-support.ts";
import { scenario } from "../../library/index.ts";
import { whatIfAsset } from "../../library/report.ts";
import type { ResultsDocument } from "../../results/documents.ts";
import {
  axeViolations,
  type OpenedPage,
  openPage,
  PATIENCE,
  serveFiles,
} from "../page.test-support.ts";

const ROOT = join(import.meta.dirname, "../..");
const SCENARIO = join(ROOT, "scenarios/edge-or-cloud.yaml");
/** The policy of reports. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; worker-src blob:";
/** It lets the app run its own scripts only. */
const APP_POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";

const folder = temporaryFolder("what-if");
const report = join(folder, "report.html");
/** The page of a scenario without a free slot. */
const full = join(folder, "full.html");
const accurate = join(folder, "accurate.html");
const chromium = ownChromium();
let app: Server;
let origin: string;

beforeAll(async () => {
  if (!hasChromium) return;
  writeFileSync(report, await reportHtml(SCENARIO));
  writeFileSync(full, await reportHtml(join(ROOT, "scenarios/autoscaling.yaml")));
  const scaled = join(ROOT, "scenarios/accuracy-on-a-cluster.yaml");
  writeFileSync(accurate, await reportHtml(scaled, { scheduler: "loki" }));
  ({ server: app, origin } = await serveFiles({ "content-security-policy": APP_POLICY }));
});

afterAll(() => app?.close());

const inChromium = test.skipIf(!hasChromium);

inChromium(
  "a report's simulator fetches nothing, breaks no rule of the page and says so",
  async () => {
    const { page, problems, requests } = await opened(pathToFileURL(report).href);
    await page.locator("#what-if").scrollIntoViewIfNeeded();
    await firstCurve(page);
    await expect
      .poll(() => page.locator(".wi-verdict").textContent(), PATIENCE)
      .toMatch(/sustainable load: between [\d.]+ and [\d.]+ requests per s/);
    expect(requests.filter((url) => !/^(file|blob):/.test(url))).toEqual([]);
    expect(problems).toEqual([]);
    expect(await page.locator("canvas").count()).toBe(2);
    await page.close();
  },
);

inChromium("figures equal the command's, to the digit, for the scenario to download", async () => {
  const { page } = await opened(pathToFileURL(report).href);
  await firstCurve(page);
  await page.getByLabel("policy").selectOption("join-shortest-queue");
  await press(page, "service times", "ArrowLeft", 4);
  await press(page, "largest batch", "ArrowRight", 2);
  await page.getByText("All points as a table").click();
  await whole(page);
  const file = await downloaded(page);
  const shown = await shownPoints(page);
  const { code, stdout, stderr } = await tandemHere(folder, ["simulate", file, "--json"]);
  expect(code, stderr).toBe(0);
  const { configurations } = JSON.parse(stdout) as ResultsDocument;
  const expected = configurations.map(({ parameters, metrics, digest, replications }) => ({
    load: parameters["workload.ratePerS"],
    replications,
    digest,
    ...Object.fromEntries(
      Object.keys(shown[0].metrics).map((name) => [
        name,
        (metrics as Record<string, { mean: number }>)[name].mean,
      ]),
    ),
  }));
  expect(shown.map(({ metrics, ...rest }) => ({ ...rest, ...metrics }))).toEqual(expected);
  expect(expected.length).toBeGreaterThan(10);
  expect(expected[0].replications).toBe(10);
  await page.close();
});

inChromium(
  "a scenario with loki brings its solver, and its figures are the command's",
  async () => {
    const { page, problems, requests } = await opened(pathToFileURL(accurate).href);
    await page.locator("#what-if").scrollIntoViewIfNeeded();
    await firstCurve(page);
    await page.getByText("All points as a table").click();
    await whole(page);
    const file = await downloaded(page);
    const shown = await shownPoints(page);
    const { stdout } = await tandemHere(folder, ["simulate", file, "--json"]);
    const { configurations } = JSON.parse(stdout) as ResultsDocument;
    expect(shown.map(({ digest }) => digest)).toEqual(configurations.map(({ digest }) => digest));
    expect(requests.filter((url) => !/^(file|blob):/.test(url))).toEqual([]);
    expect(problems).toEqual([]);
    await page.close();
  },
);

inChromium("a page without the solver names it and the way out", async () => {
  const { page } = await opened(pathToFileURL(report).href);
  await firstCurve(page);
  await page.getByLabel("policy").selectOption("loki");
  await expect
    .poll(() => page.locator("#what-if").textContent(), PATIENCE)
    .toContain("this page has no solver of integer programs");
  await page.close();
});

inChromium("a link shows what its sender saw: choices, pins and the load", async () => {
  const { page } = await opened(pathToFileURL(report).href);
  await firstCurve(page);
  await page.getByRole("button", { name: "Pin to compare" }).click();
  await press(page, "service times", "ArrowLeft", 6);
  await press(page, "Load", "ArrowRight", 2);
  await expect.poll(() => page.url()).toContain("#what-if=");
  const figures = () => page.locator(".wi-scroll").first().textContent();
  // The pin's own figures come after those of the present choices.
  await expect.poll(figures, PATIENCE).toContain("as in the scenario");
  await whole(page);
  const before = await figures();
  const url = page.url();
  await page.close();
  const { page: other } = await opened(url);
  await whole(other);
  await expect.poll(() => other.locator(".wi-scroll").first().textContent(), PATIENCE).toBe(before);
  await other.close();
});

inChromium("four pins at most, each taken and removed by keyboard", async () => {
  const { page } = await opened(pathToFileURL(report).href);
  await firstCurve(page);
  const pin = page.getByRole("button", { name: "Pin to compare" });
  for (const policy of ["edf", "random", "power-of-two", "round-robin"]) {
    await page.getByLabel("policy").selectOption(policy);
    await pin.press("Enter");
  }
  await page.getByLabel("policy").selectOption("priority");
  await expect.poll(() => pin.isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Take random" }).press("Enter");
  await expect.poll(() => page.getByLabel("policy").inputValue()).toBe("random");
  await page.getByRole("button", { name: "Remove edf" }).press("Enter");
  await expect.poll(() => page.getByRole("button", { name: /^Remove / }).count()).toBe(3);
  await page.close();
});

inChromium("a configuration that cannot be says why, and the way back works", async () => {
  const { page } = await opened(pathToFileURL(full).href);
  await firstCurve(page);
  await press(page, "detect", "ArrowRight", 1);
  await expect.poll(() => page.getByRole("alert").textContent(), PATIENCE).toMatch(/slot/);
  await page.getByRole("button", { name: "Reset" }).click();
  await expect.poll(() => page.getByRole("alert").count(), PATIENCE).toBe(0);
  await page.close();
});

inChromium.each([
  ["desk", "light", 1280],
  ["desk", "dark", 1280],
  ["phone", "light", 390],
  ["phone", "dark", 390],
] as const)("axe finds nothing: %s, %s", async (_, colorScheme, width) => {
  const { page } = await opened(pathToFileURL(report).href, { colorScheme, width });
  await firstCurve(page);
  await page.getByRole("button", { name: "Pin to compare" }).click();
  await page.getByText("All points as a table").click();
  expect(await axeViolations(page)).toEqual([]);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide).toBeLessThanOrEqual(width);
  await page.close();
});

inChromium("the app's tab simulates in a module worker, under the app's policy", async () => {
  const { page, problems } = await opened(`${origin}/#tab=what-if`);
  await firstCurve(page);
  await page.getByLabel("Scenario").selectOption("branch");
  await expect.poll(() => page.getByRole("slider").count(), PATIENCE).toBeGreaterThan(3);
  await expect
    .poll(() => page.locator(".wi-verdict").textContent(), PATIENCE)
    .toMatch(/^At 6.4 requests per s/);
  expect(await page.locator(".wi-verdict").textContent()).toContain("p99");
  expect(problems).toEqual([]);
  await page.close();
});

inChromium("the user's file starts anew each time that it is opened", async () => {
  const { page, problems } = await opened(`${origin}/#tab=what-if`);
  await firstCurve(page);
  const text = readFileSync(join(ROOT, "scenarios/queueing/branch.yaml"), "utf8");
  for (const rate of ["6.4", "5.4"]) {
    const buffer = Buffer.from(text.replace("ratePerS: 6.4", `ratePerS: ${rate}`));
    const file = { name: "own.yaml", mimeType: "application/yaml", buffer };
    await page.locator("input[type=file]").setInputFiles(file);
    await expect
      .poll(() => page.locator(".wi-verdict").textContent(), PATIENCE)
      .toMatch(`At ${rate} requests per s`);
  }
  expect(problems).toEqual([]);
  await page.close();
});

function opened(
  url: string,
  { colorScheme = "light" as "light" | "dark", width = 1280 } = {},
): Promise<OpenedPage> {
  return openPage(chromium.browser, url, { width, height: 900 }, colorScheme);
}

/** Waits until each load has a point. */
async function firstCurve(page: Page): Promise<void> {
  await page.waitForSelector(".wi-chart canvas").catch(async ({ message }) => {
    const said = await page.locator("[role=status], [role=alert]").allTextContents();
    throw new Error(`${message}\nthe page says: ${said.join("; ")}`);
  });
  await runsAtLeast(page, 13);
}

/** Waits until each point has all its runs. */
async function whole(page: Page): Promise<void> {
  await page.waitForFunction(
    () => /^\d+ runs;/.test([...document.querySelectorAll(".wi-note")].at(-1)?.textContent ?? ""),
    null,
    PATIENCE,
  );
}

async function runsAtLeast(page: Page, least: number): Promise<void> {
  await page.waitForFunction(
    (count) => {
      const text = [...document.querySelectorAll(".wi-note")].at(-1)?.textContent ?? "";
      return Number.parseInt(text, 10) >= count;
    },
    least,
    PATIENCE,
  );
}

async function press(page: Page, slider: string, key: string, times: number): Promise<void> {
  const found = page.getByRole("slider", { name: slider });
  for (let i = 0; i < times; i++) await found.press(key);
}

interface ShownPoint {
  readonly load: number;
  readonly replications: number;
  readonly digest: string | null;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The table of all points, as it is in the page: whole numbers, not those that are shown. */
function shownPoints(page: Page): Promise<readonly ShownPoint[]> {
  return page.evaluate(() => {
    const rows = [...document.querySelectorAll(".wi-more tbody tr")];
    return rows.map((row) => {
      const cells = [...row.querySelectorAll("td[data-metric]")] as HTMLElement[];
      const last = row.querySelector("td[data-digest]") as HTMLElement;
      return {
        load: Number((row.querySelector("th") as HTMLElement).dataset.value),
        replications: Number(last.textContent),
        digest: last.dataset.digest ?? null,
        metrics: Object.fromEntries(
          cells.map(({ dataset }) => [dataset.metric ?? "", Number(dataset.value)]),
        ),
      };
    });
  });
}

async function downloaded(page: Page): Promise<string> {
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download scenario" }).click();
  const file = join(folder, "downloaded.yaml");
  await (await waiting).saveAs(file);
  return file;
}

/** Reports have colours of the same names as the app. */
const colours = readFileSync(join(import.meta.dirname, "../shared/colours.css"), "utf8");

async function reportHtml(file: string, overrides = {}): Promise<string> {
  const { document, digest, profiles, traces, sectionFiles } = await scenario(file, overrides);
  const kept = { scenario: document, digest, inputs: { profiles, traces, sectionFiles } };
  const json = JSON.stringify(kept).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A report</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<style>${colours} body { background: var(--paper) }</style>
</head><body><main><h1>A report</h1>
<div id="what-if"></div>
<script type="application/json" id="what-if-scenario">${json}</script>
${whatIfAsset(document)}</main></body></html>`;
}
