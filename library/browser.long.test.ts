/** The bundle in a real browser: the digests of scenarios/digests.json, from the same scenarios. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, dirname, join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { listening } from "../checks/support/listening.test-support.ts";
import { shortDigest } from "../engine/basics/digest.ts";
import { calibratedFiles } from "../sim/shipped-scenarios.test-support.ts";
import { hasChromium, ownChromium } from "./chromium.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
const FOLDER = join(ROOT, "scenarios");
const DIGESTS = JSON.parse(readFileSync(join(FOLDER, "digests.json"), "utf8")) as Readonly<
  Record<string, Readonly<Record<string, string>>>
>;

type Entry = typeof import("./browser.ts");
/** The page, for functions that run in it. */
declare const window: { readonly tandem: Entry };

/** The bundle, and the solver beside it. */
const server = createServer(({ url = "/" }, answer) => {
  const name = basename(url.split("?")[0]);
  const type = name.endsWith(".wasm") ? "application/wasm" : "text/javascript";
  answer.writeHead(200, { "content-type": type, "access-control-allow-origin": "*" });
  answer.end(readFileSync(join(ROOT, "dist/web/assets", name)));
});

const chromium = ownChromium();
let page: Page;
const problems: string[] = [];

beforeAll(async () => {
  if (!hasChromium) return;
  page = await chromium.browser.newPage();
  page.on("console", (message) => problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  const address = `http://127.0.0.1:${await listening(server)}/browser.js`;
  // As text: the test runner would rewrite the import of a function.
  await page.evaluate(`import("${address}").then((entry) => { window.tandem = entry; })`);
});

afterAll(() => {
  server.close();
});

test.skipIf(!hasChromium).each(Object.keys(DIGESTS))(
  "%s gives the digests of Node in Chromium",
  async (file) => {
    const text = readFileSync(join(FOLDER, file), "utf8");
    const options = { files: filesOf(file, text), overrides: shortened(text) };
    const found = await page.evaluate(
      async ([source, given]) => {
        const scenario = window.tandem.readScenario(source, given);
        const results = await window.tandem.simulateAll(scenario);
        return results.map(({ id, digest }) => [id, digest]);
      },
      [text, options] as const,
    );
    // Results have a digest over the digests of their replications, here of one.
    const expected = Object.entries(DIGESTS[file]).map(([id, one]) => [id, shortDigest([one])]);
    expect(found).toEqual(expected);
    expect(problems).toEqual([]);
  },
);

test("the list names every shipped scenario", () => {
  const shipped = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });
  expect(shipped.filter((path) => path.endsWith(".yaml")).sort()).toEqual(Object.keys(DIGESTS));
});

/** As the digests were taken: one replication, an hour or 2,000 requests at most, no warm-up. */
function shortened(text: string): Record<string, unknown> {
  const { workload, sweep } = parse(text) as { workload: Record<string, number>; sweep?: object };
  const bounds = Object.entries({ durationS: 3600, requests: 2000 });
  const cut = bounds.flatMap(([key, most]) => {
    const path = `workload.${key}`;
    const isSwept = JSON.stringify(sweep ?? {}).includes(`"${path}"`);
    return workload[key] === undefined || isSwept ? [] : [[path, Math.min(workload[key], most)]];
  });
  return { "run.replications": 1, "workload.warmupS": 0, ...Object.fromEntries(cut) };
}

/** Texts of the files that a scenario names: those that `calibrate` would write, and the rest from disk. */
function filesOf(file: string, text: string): Record<string, string> {
  const named = [...text.matchAll(/[\w./-]+\.(?:json|csv|yaml)\b/g)].map(([path]) => path);
  const found = named.flatMap((path) => {
    const calibrated = calibratedFiles[basename(path)];
    if (calibrated !== undefined) return [[path, JSON.stringify(calibrated)]];
    try {
      return [[path, readFileSync(join(FOLDER, dirname(file), path), "utf8")]];
    } catch {
      return [];
    }
  });
  return Object.fromEntries(found);
}
