/** The web app in Chromium, before a real gateway with real models. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deployed } from "../cluster/deployed.test-support.ts";
import { eventually } from "../cluster/deployment.test-support.ts";
import { hasChromium, ownChromium } from "../library/chromium.test-support.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { axeViolations, openPage, PATIENCE, PHONE, sendAtOnce } from "./page.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
/** Pictures of the pages for people to look at; only where it is set. */
const SHOTS = process.env.TANDEM_SCREENSHOTS;

/** The shipped pipeline, with service times that are not measured here. */
const DOCUMENT = scenarioSchema.parse({
  name: "image-analysis",
  pipelines: {
    "image-analysis": {
      tasks: {
        detect: { model: "detector" },
        plate: {
          model: "plate-reader",
          after: ["detect"],
          when: { contains: "car", probability: 0.6 },
        },
      },
    },
  },
  models: {
    detector: {
      service: { distribution: "deterministic", meanMs: 60 },
      implementation: { name: "ssd-mobilenet-v2" },
    },
    "plate-reader": {
      service: { distribution: "deterministic", meanMs: 80 },
      implementation: { name: "plate-reader", parameters: { side: 320 } },
    },
  },
  cluster: { replicas: { detect: 1, plate: 1 } },
  workload: { arrivals: "poisson", ratePerS: 2, durationS: 10 },
});

const chromium = ownChromium();
const own = deployed({ document: DOCUMENT, backend: "real", spareReplicas: 2 }, hasChromium);

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS === undefined) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

describe.skipIf(!hasChromium)("the web app of a gateway", () => {
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    ({ page, problems } = await openPage(chromium.browser, own.http));
    await page.getByText("Connected to tandem-gateway").waitFor(PATIENCE);
    await page.getByRole("heading", { name: "Hardware in use" }).waitFor(PATIENCE);
  });

  test("its first load, packed, is less than 700 kB", async () => {
    const bytes = await page.evaluate<number>(`performance.getEntries()
      .filter(({ name }) => URL.canParse(name) && /\\/(assets\\/.*)?$/.test(new URL(name).pathname))
      .reduce((sum, entry) => sum + (entry.encodedBodySize ?? 0), 0)`);
    console.log(`first load: ${Math.round(bytes / 1000)} kB packed`);
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(700_000);
  });

  test("adds a replica, sets its batches, and removes it", async () => {
    await page.getByRole("button", { name: "Add a detect" }).click();
    const row = page.getByRole("row").filter({ hasText: "detect-2" });
    await row.getByText("up").waitFor(PATIENCE);
    await row.getByRole("button", { name: /Batch of detect-2/ }).click();
    await page.getByRole("textbox", { name: "Jobs in a batch, at most" }).fill("4");
    await page.getByRole("textbox", { name: "Wait for more, ms" }).fill("7");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: "Apply" }).click();
    await row.getByText("4, 7 ms").waitFor(PATIENCE);
    const answer = await fetch(`${own.http}/v1/replicas/detect-2`);
    expect(await answer.json()).toMatchObject({ batch: { maxBatch: 4, waitMs: 7 } });
    await row.getByRole("button", { name: "Remove detect-2" }).click();
    await row.waitFor({ state: "detached", ...PATIENCE });
  });

  test("swaps the scheduler, with a parameter", async () => {
    const card = page.getByRole("region", { name: "Scheduler" });
    await card.getByLabel("Scheduler", { exact: true }).first().selectOption("batching");
    await card.getByRole("textbox", { name: "maxBatch" }).fill("3");
    await page.keyboard.press("Tab");
    await card.getByRole("button", { name: "Use this scheduler" }).click();
    await card.getByText("It decides from now on").waitFor(PATIENCE);
    const { scheduler } = (await (await fetch(`${own.http}/v1/scheduler`)).json()) as {
      scheduler: { preset: string; batching: { maxBatch: number } };
    };
    expect(scheduler).toMatchObject({ preset: "batching", batching: { maxBatch: 3 } });
  });

  test("sends 50 pictures, and shows 50 answers that are true", { tags: ["smoke"] }, async () => {
    // Else the gateway refuses what would wait for longer than five seconds.
    await page.getByRole("checkbox", { name: "Take every request" }).check();
    const figures = await sendAtOnce(page, 50);
    expect(figures).toMatchObject({ Answers: "50 of 50", True: "50 of 50" });
    await page.getByRole("button", { name: "Details of request 50" }).click();
    await page.getByRole("dialog").getByText("Computed").waitFor(PATIENCE);
    await shoot(page, "answer-desk-light");
    await page.keyboard.press("Escape");
    expect(await axeViolations(page)).toEqual([]);
    await shoot(page, "measure-desk-light");
  });

  test("gets every answer while a worker is killed", async () => {
    const [{ pid }] = own.deployment.workers;
    const figures = await sendAtOnce(page, 20, async () => {
      process.kill(pid, "SIGKILL");
    });
    expect(figures).toMatchObject({ Answers: "20 of 20", True: "20 of 20" });
  });

  test("stops in the middle; its run without a bound ends after what was given up", async () => {
    await page.getByRole("textbox", { name: "Requests at once (n)" }).fill("200");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page
      .getByTestId("figure-Answers")
      .getByText(/^[1-9]\d* of 200$/)
      .waitFor(PATIENCE);
    const bounded = page.waitForResponse(
      (one) => one.url().endsWith("/run") && one.request().method() === "POST",
      PATIENCE,
    );
    await page.getByRole("button", { name: "Stop", exact: true }).first().click();
    expect((await bounded).status()).toBe(200);
    await page.getByText("Stopped: requests under way were given up").waitFor(PATIENCE);
  });

  test("draws the pipeline, with the share of each branch", async () => {
    await page.getByRole("tab", { name: "Pipeline" }).click();
    await page.getByTestId("task-detect").waitFor(PATIENCE);
    expect(await page.getByTestId("task-plate").textContent()).toContain("plate-reader");
    await page.getByText("if car").first().waitFor(PATIENCE);
    // For seven seconds React Aria announces the last number, by the name of a field that is on another tab.
    await page
      .locator("[role=log] [role=img]")
      .first()
      .waitFor({ ...PATIENCE, state: "detached" });
    expect(await axeViolations(page)).toEqual([]);
    await shoot(page, "pipeline-desk-light");
    expect(new URL(page.url()).hash).toContain("tab=pipeline");
    await page.getByRole("tab", { name: "Measure" }).click();
  });

  test("plays a simulated run of the deployment's scenario, step by step", async () => {
    const url = `${own.http}/#tab=pipeline&view=run`;
    const { page: played, problems: wrong } = await openPage(chromium.browser, url);
    await played.getByText("Connected to tandem-gateway").waitFor(PATIENCE);
    await played.getByLabel("Scenario").selectOption("the cluster's scenario");
    const told = played.getByTestId("last-event").filter({ hasText: /nothing has happened/ });
    await told.waitFor(PATIENCE);
    await played.getByRole("button", { name: "Step", exact: true }).click();
    const event = await played.getByTestId("last-event").textContent();
    expect(event).toMatch(/request 1 arrives; detect-1 starts request 1$/);
    await played.getByRole("button", { name: "Play" }).click();
    await played.waitForTimeout(500);
    expect(await played.locator(".react-flow__node").first().isVisible()).toBe(true);
    await played.getByRole("button", { name: "Pause" }).click();
    expect(await axeViolations(played)).toEqual([]);
    await shoot(played, "played-desk-light");
    expect(wrong).toEqual([]);
    await played.close();
  });

  test("runs the report's four test cases, and gives the replicas back", async () => {
    const card = page.getByRole("region", { name: "The four test cases" });
    await card.getByRole("textbox", { name: "Requests (n)" }).fill("2");
    await page.keyboard.press("Tab");
    await card.getByRole("button", { name: "Run the four cases" }).click();
    await card
      .getByRole("button", { name: "Run the four cases", disabled: false })
      .waitFor(PATIENCE);
    const text = (await page.getByTestId("cases").textContent()) ?? "";
    expect(text.match(/to \d/g)).toHaveLength(4);
    const { replicas } = (await (await fetch(`${own.http}/v1/replicas`)).json()) as {
      replicas: { name: string }[];
    };
    expect(replicas.map(({ name }) => name).sort()).toEqual(["detect-1", "plate-1"]);
  });

  test("has no errors in its console", () => expect(problems).toEqual([]));

  test("finds the gateway again after it was killed", async () => {
    const { pid } = own.deployment.gateway;
    process.kill(pid, "SIGKILL");
    // It may be back before the page asks again, and be missed by nobody.
    expect(await eventually(() => own.deployment.gateway.pid !== pid, PATIENCE.timeout)).toBe(true);
    await page.getByText("Connected to tandem-gateway").waitFor(PATIENCE);
    expect(await sendAtOnce(page, 4)).toMatchObject({ Answers: "4 of 4" });
  });

  test.each(["measure", "pipeline"])("%s fits a phone, in the dark", async (tab) => {
    const url = `${own.http}/#tab=${tab}`;
    const opened = await openPage(chromium.browser, url, PHONE, "dark");
    await opened.page.getByRole("heading", { level: 2 }).first().waitFor(PATIENCE);
    await opened.page.waitForTimeout(2000);
    const wide = await opened.page.evaluate("document.documentElement.scrollWidth");
    expect(wide).toBeLessThanOrEqual(PHONE.width);
    expect(await axeViolations(opened.page)).toEqual([]);
    await shoot(opened.page, `${tab}-phone-dark`);
    expect(opened.problems).toEqual([]);
    await opened.page.close();
  });
});

describe.skipIf(!hasChromium)("`tandem web` before a gateway", () => {
  let child: ChildProcess;
  let url: string;

  beforeAll(async () => {
    const words = ["dist/cli/tandem.js", "web", "--json", "--port", "0"];
    child = spawn(process.execPath, [...words, "--url", own.http], { cwd: ROOT });
    url = await new Promise((resolve, reject) => {
      child.stdout?.once("data", (text) => resolve(JSON.parse(String(text)).page));
      child.once("exit", (code) => reject(new Error(`it ended with ${code}`)));
    });
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  test("controls it, and measures it over HTTP", async () => {
    const { page, problems } = await openPage(chromium.browser, url);
    await page.getByRole("heading", { name: "Hardware in use" }).waitFor(PATIENCE);
    await page.getByRole("checkbox", { name: "Take every request" }).check();
    expect(await sendAtOnce(page, 12)).toMatchObject({ Answers: "12 of 12", True: "12 of 12" });
    await page.getByText("a connection of its own").waitFor(PATIENCE);
    expect(problems).toEqual([]);
    await page.close();
  });
});
