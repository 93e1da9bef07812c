/** Ctrl-C in `tandem validate`, whenever it comes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ValidationDocument } from "../results/validation.ts";
import { interrupted, SHORT_QUEUE, SLOW_QUEUE } from "./interrupted.test-support.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tandem-interrupt-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Without a profile a pilot measures them. */
const FREE_MESSAGES = SLOW_QUEUE.replace(", overheadProfile: messages.json", "");

/** To the process alone, or to its whole group, as from a terminal. */
const [ALONE, GROUP] = [false, true];

test.each([
  ["in the look at the host", ALONE, SLOW_QUEUE, /with start-up/, []],
  ["while messages are measured", GROUP, FREE_MESSAGES, /a pilot measures/, []],
  [
    "while a cluster of real models starts",
    ALONE,
    SLOW_QUEUE,
    /validate 1\/2/,
    ["--backend", "real"],
  ],
  ["while a cluster starts", GROUP, SLOW_QUEUE, /validate 1\/2/, []],
  ["in the first run", GROUP, SLOW_QUEUE, /validate 1\/2[\s\S]*seconds: \d+\/\d+/, []],
])("Ctrl-C %s keeps nothing and says so", async (_moment, group, scenario, when, options) => {
  const { code, stdout, stderr, afterMs } = await interrupted(folder, scenario, when, {
    group,
    options,
  });
  expect(code).toBe(130);
  expect(stderr).toMatch(/tandem: interrupted before any run had ended: nothing is kept\n$/);
  expect(stderr).not.toMatch(/hint|bug/);
  expect(stdout).toBe("");
  expect(readdirSync(folder)).not.toContain("out");
  expect(afterMs).toBeLessThan(15_000);
});

test("Ctrl-C after a run keeps it, without a half width", async () => {
  const when = /\n {2}(run 1|set aside)/;
  const { code, stdout, stderr } = await interrupted(folder, SHORT_QUEUE, when, { group: ALONE });
  expect(code).toBe(130);
  expect(stderr).toMatch(/tandem: interrupted after 1 of 6 runs, whose results are kept in out\n$/);
  expect(stderr).not.toMatch(/hint|bug/);
  expect(stdout).not.toMatch(/\d ± /);
  const { configurations } = kept();
  expect(configurations).toHaveLength(1);
  const [{ measured, predicted, verdict, replications, judgements }] = configurations;
  expect([measured.repeats, replications]).toEqual([1, 1]);
  expect(measured.metrics.latencyMeanMs?.halfWidth95).toBeNull();
  expect(predicted.latencyMeanMs?.halfWidth95).toBeNull();
  expect(verdict).toBe("cannot tell");
  expect(judgements.latencyMeanMs?.reason).toMatch(
    /^interrupted after (1 of 3 runs|0 of 3 runs \(1 more was set aside\))$/,
  );
});

test("Ctrl-C in a later configuration keeps those before", async () => {
  const { code } = await interrupted(folder, SHORT_QUEUE, /validate 2\/2/, { group: GROUP });
  expect(code).toBe(130);
  const { configurations } = kept();
  expect(configurations.map(({ parameters }) => parameters.scheduler)).toEqual(["fifo"]);
  // All three, or those that the host was fit for.
  expect([1, 2, 3]).toContain(configurations[0].measured.repeats);
});

function kept(): ValidationDocument {
  return JSON.parse(readFileSync(join(folder, "out/validation.json"), "utf8"));
}
