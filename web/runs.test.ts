/** The 2020 report's flow in Chromium, before a real gateway: send, change the scheduler, send again, and see both runs. */
import { expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { deployed } from "../cluster/deployed.test-support.ts";
import { inJson } from "../cluster/in-json.test-support.ts";
import { hasChromium, ownChromium } from "../library/chromium.test-support.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { axeViolations, openPage, PATIENCE, sendAtOnce } from "./page.test-support.ts";

const DOCUMENT = scenarioSchema.parse({
  name: "one",
  pipelines: { p: { tasks: { serve: { model: "m" } }, slo: { latencyMs: 400, percentile: 95 } } },
  // So long that a burst is one also where a busy host sends its requests 0.3 s apart.
  models: { m: { service: { distribution: "deterministic", meanMs: 350 } } },
  cluster: { replicas: { serve: 1 } },
  workload: { arrivals: "poisson", ratePerS: 2, durationS: 10 },
});

const chromium = ownChromium();
const own = deployed({ document: DOCUMENT, backend: "replay", spareReplicas: 1 }, hasChromium);

test.skipIf(!hasChromium || !IS_LONG)(
  "the first click succeeds and keeps the focus; runs stay over a reload, each with its scheduler",
  async () => {
    const { page, problems } = await openPage(chromium.browser, own.http);
    const start = page.getByRole("button", { name: "Start", exact: true });
    await page.getByText("Connected to tandem-gateway").waitFor(PATIENCE);
    await start.focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("figure-Answers").getByText("10 of 10").waitFor(PATIENCE);
    const rows = page.getByTestId("runs").locator("tbody tr");
    await rows.nth(0).waitFor(PATIENCE);
    expect(await start.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
    await fetch(`${own.http}/v1/scheduler`, inJson("PUT", { scheduler: "edf" }));
    await page.getByText(/a change of scheduler or replicas: .* edf/).waitFor(PATIENCE);
    const refused = await sendAtOnce(page, 10);
    expect(refused.Answers).not.toBe("10 of 10");
    await page
      .getByText(/refused, as they would wait longer.*Take every request/)
      .waitFor(PATIENCE);
    await rows.nth(1).waitFor(PATIENCE);
    await page.reload();
    await rows.nth(1).waitFor(PATIENCE);
    expect(await rows.nth(0).textContent()).toMatch(/^edf.*\d+ of 10serve 1burst, 10 requests$/);
    expect(await rows.nth(1).textContent()).toMatch(
      /^fifo.*10 of 10serve 1closed, 1 client, 10 requests$/,
    );
    await page.getByLabel(/^Response time within which a share.*fifo.*/).waitFor(PATIENCE);
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as CSV" }).click();
    expect((await saved).suggestedFilename()).toBe("tandem-runs.csv");
    expect(await axeViolations(page)).toEqual([]);
    const guide =
      (await page.getByRole("link", { name: "How to use this page" }).getAttribute("href")) ?? "";
    expect(await (await fetch(new URL(guide, page.url()))).text()).toMatch(/^# The web app/);
    expect(problems).toEqual([]);
    await page.evaluate("localStorage.setItem('tandem-runs@1', '[{\"at\": 3}, 7]')");
    await page.reload();
    await page.getByText("Connected to tandem-gateway").waitFor(PATIENCE);
    expect(await page.getByTestId("runs").count()).toBe(0);
    await page.close();
  },
  2 * PATIENCE.timeout,
);
