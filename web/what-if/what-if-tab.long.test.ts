/** "What if" beside a real gateway: its scenario, its measurements, and a configuration sent to it. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { deployed } from "../../cluster/deployed.test-support.ts";
import { twoTasks, withDeployment } from "../../cluster/deployment.test-support.ts";
import { inJson } from "../../cluster/in-json.test-support.ts";
import type { GatewayStatus } from "../../cluster/observe/gateway-status.ts";
import { hasChromium, ownChromium } from "../../library/chromium.test-support.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { openPage, PATIENCE } from "../page.test-support.ts";

/** The task of a second pipeline: measurements are of both together. */
const LOOK = { model: "reader" };

const { vehicles } = twoTasks().pipelines;
const DOCUMENT = twoTasks({
  pipelines: { vehicles, people: { tasks: { look: LOOK } } },
  cluster: { replicas: { detect: 2, plate: 1, look: 1 } },
});
const chromium = ownChromium();
const own = deployed({ document: DOCUMENT, backend: "replay", spareReplicas: 2 }, hasChromium);

test.skipIf(!hasChromium)(
  "starts from the cluster's scenario, shows its measurements, and sends it a configuration",
  async () => {
    const { http } = own;
    const { page, problems } = await openPage(chromium.browser, `${http}/#tab=what-if`);
    await page.locator(".wi-scenario option", { hasText: "cluster" }).waitFor({
      state: "attached",
      ...PATIENCE,
    });
    await expect
      .poll(() => page.locator(".wi-scenario select").inputValue(), PATIENCE)
      .toBe("the cluster's scenario");
    await page
      .getByText(/^At 50 requests per s/)
      .first()
      .waitFor(PATIENCE);
    for (let i = 0; i < 40; i++) await infer(http, i % 2 === 0 ? "vehicles" : "people");
    await page
      .getByText(/measured on the cluster as it runs now \(.*detect 2 .*\): \d+ points/)
      .waitFor(PATIENCE);
    const { all, pipelines } = (await json(`${http}/status`)) as GatewayStatus;
    const sum = pipelines.reduce((total, { completedPerS }) => total + completedPerS, 0);
    expect(all.completedPerS).toBeCloseTo(sum);
    expect(pipelines.map(({ completed }) => completed)).toEqual([20, 20]);
    expect(all.latencyP99Ms).toBeGreaterThan(all.latencyP50Ms ?? 0);

    await page.getByLabel("policy").selectOption("round-robin");
    await page.getByRole("slider", { name: "detect" }).press("ArrowRight");
    await page.getByRole("button", { name: "Send to cluster" }).click();
    await page.getByText("The cluster has this configuration now.").waitFor(PATIENCE);
    expect(await json(`${http}/v1/scheduler`)).toMatchObject({ scheduler: "round-robin" });
    const { replicas } = (await json(`${http}/v1/replicas`)) as { replicas: { task: string }[] };
    expect(replicas.filter(({ task }) => task === "detect")).toHaveLength(3);

    await page.getByLabel("policy").selectOption("random");
    await page.getByRole("slider", { name: "detect" }).press("End");
    await page.getByRole("button", { name: "Send to cluster" }).click();
    await page.getByText(/^Not sent: the cluster has room for 4 of detect, not /).waitFor(PATIENCE);
    expect(await json(`${http}/v1/scheduler`), "nothing was changed").toMatchObject({
      scheduler: "round-robin",
    });
    expect(problems.filter((text) => !/status of 4\d\d/.test(text))).toEqual([]);
    await page.close();
  },
);

test.skipIf(!hasChromium)("simulates the trace that the cluster plays", async () => {
  const document = scenarioSchema.parse({
    name: "played",
    pipelines: {
      answer: {
        tasks: { write: { model: "writer", tokens: { prompt: { column: "words" }, output: 5 } } },
      },
    },
    models: { writer: { tokens: { steps: { prefill: [5, 0, 0], decode: [5, 0, 0] } } } },
    cluster: { replicas: { write: 1 } },
    workload: { arrivals: "trace", file: "short.csv", column: "at" },
  });
  const arrivals = (count: number) => Array.from({ length: count }, (_, i) => i * 50_000);
  const inputs = (count: number) => ({
    profiles: {},
    traces: { "short.csv": arrivals(count) },
    traceColumns: { "short.csv": { words: arrivals(count).map((_, i) => 10 + (i % 7)) } },
  });
  const nothing = async (): Promise<void> => undefined;
  const shows = async (
    count: number,
    text: RegExp,
    more: (page: Page) => Promise<void> = nothing,
  ): Promise<void> => {
    const options = { document, inputs: inputs(count), backend: "replay" } as const;
    await withDeployment(options, async ({ gateway }) => {
      const { page, problems } = await openPage(chromium.browser, `${gateway.http}/#tab=what-if`);
      await page.getByText(text).first().waitFor(PATIENCE);
      await more(page);
      expect(problems).toEqual([]);
      await page.close();
    });
  };
  await shows(300, /^At 1 times the scenario's load/, async (page) => {
    const by = page.getByLabel("compare by");
    await by.waitFor(PATIENCE);
    expect(await by.locator("option").allTextContents()).toEqual([
      ...["p50", "p95", "p99"],
      ...["TTFT, mean", "TTFT, p99", "TPOT, mean", "TPOT, p99"],
    ]);
    await by.selectOption("ttftP99Ms");
    await page
      .getByRole("img", { name: /^Time to first token, ms\. At 1 .*TTFT, p99 is/ })
      .waitFor(PATIENCE);
  });
  await shows(10_001, /keeps no trace as long as short.csv/);
});

async function infer(http: string, pipeline: string): Promise<void> {
  const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["x"] }];
  const answer = await fetch(`${http}/v2/models/${pipeline}/infer`, inJson("POST", { inputs }));
  expect(answer.status, await answer.text()).toBe(200);
}

async function json(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}
