/** Ctrl-C in `tandem validate`, whenever it comes. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ValidationDocument } from "../core/results.ts";
import { interrupted, SHORT_QUEUE, SLOW_QUEUE } from "./interrupted.test-support.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tandem-interrupt-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ANNOUNCED = /with start-up/;
const REAL = ["--backend", "real"];

describe.each([false, true])("Ctrl-C, to the whole group: %s", (group) => {
  test.each([
    ["in the look at the host", ANNOUNCED, []],
    ["while a cluster starts", /validate 1\/2/, []],
    ["in the first run", /validate, seconds: \d+\/\d+/, []],
    ["while a cluster of real models starts", /validate 1\/2/, REAL],
  ])("%s keeps nothing and says so", async (_moment, when, options) => {
    const { code, stdout, stderr, afterMs } = await interrupted(folder, SLOW_QUEUE, when, {
      ...{ group, options },
    });
    expect(code).toBe(130);
    expect(stderr).toMatch(/tandem: interrupted before any run had ended: nothing is kept\n$/);
    expect(stderr).not.toMatch(/hint|bug/);
    expect(stdout).toBe("");
    expect(afterMs).toBeLessThan(15_000);
  });

  test("after a run keeps it, without a half width", async () => {
    const { code, stdout, stderr } = await interrupted(
      folder,
      SHORT_QUEUE,
      /\n {2}(run 1|set aside)/,
      {
        group,
      },
    );
    expect(code).toBe(130);
    expect(stderr).toMatch(
      /tandem: interrupted after 1 of 6 runs, whose results are kept in out\n$/,
    );
    expect(stderr).not.toMatch(/hint|bug/);
    expect(stdout).not.toMatch(/\d ± /);
    const { configurations } = kept();
    expect(configurations).toHaveLength(1);
    const [{ measured, predicted, verdict, replications, judgements }] = configurations;
    expect([measured.repeats, replications]).toEqual([1, 1]);
    expect(measured.metrics.latencyMeanMs?.halfWidth95).toBeNull();
    expect(predicted.latencyMeanMs?.halfWidth95).toBeNull();
    expect(verdict).toBe("cannot tell");
    expect(judgements.latencyMeanMs?.reason).toBe("interrupted after 1 of 3 runs");
  });

  test("in a later configuration keeps those before", async () => {
    const { code } = await interrupted(folder, SHORT_QUEUE, /validate 2\/2/, { group });
    expect(code).toBe(130);
    const { configurations } = kept();
    expect(configurations.map(({ parameters }) => parameters.scheduler)).toEqual(["fifo"]);
    expect(configurations[0].measured.repeats).toBe(3);
  });
});

function kept(): ValidationDocument {
  return JSON.parse(readFileSync(join(folder, "out/validation.json"), "utf8"));
}
