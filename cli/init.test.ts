/** The scenario that `tandem init` writes, as the commands in its comments would find it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { plan, scenario as read, sweep } from "../library/index.ts";
import { decisionsOf } from "../reports/tables/decision.ts";
import { price } from "../reports/tables/goals.ts";
import { expandSweep } from "../scenario/expand-sweep.test-support.ts";
import { expandValidation } from "../scenario/expand-sweep.ts";
import { validationSchema } from "../scenario/schema/run.ts";
import { init } from "./init.ts";
import { loadScenario } from "./scenario-file.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem $& init "));
afterAll(() => rmSync(folder, { recursive: true }));
init({ directory: folder, json: false, policy: false });
const scenario = join(folder, "scenario.yaml");
const text = readFileSync(scenario, "utf8");
const loaded = await loadScenario({ scenario, set: [] });

describe("the scenario of `tandem init`", () => {
  test("sweeps schedulers, shapes and shares of the smallest shape's capacity", () => {
    expect(Object.keys(loaded.document.sweep ?? {})).toEqual([
      "scheduler",
      "cluster.replicas.detect",
      "workload.ratePerS",
    ]);
    const schedulers = expandSweep(loaded).map(({ document }) => document.scheduler);
    expect(new Set(schedulers).size).toBe(3);
    expect(loaded.capacity).toMatchObject({ station: "detect", replicas: { detect: 2, plate: 1 } });
    // Two replicas, 80 ms each, 0.2 ms on the way, and a few bytes.
    expect(loaded.capacity?.perS).toBeCloseTo(2000 / 80.2, 1);
  });

  test.runIf(IS_LONG)(
    "has costs to choose from: its sweep's decisions cost what a plan finds for the same loads",
    async () => {
      const results = await sweep(loaded);
      const prices = decisionsOf(results, undefined).map(
        ({ chosen }) => chosen && price(chosen)?.mean,
      );
      const planned = (await plan(loaded)).document.plans.map(({ best }) => best?.cost);
      expect(prices).toEqual(planned);
      expect(new Set(prices).size).toBe(2);
    },
  );

  test("validates in less than two minutes by replay, also where runs are set aside", () => {
    const { backend, repeats, timeScale } = validationSchema.parse(loaded.document.validation);
    const points = expandValidation(loaded);
    expect(points.map(({ document }) => document.cluster.replicas.detect)).toEqual([2, 3]);
    expect(backend).toBe("replay");
    const mostS = points.reduce((sum, { document: { workload } }) => {
      const seconds = "durationS" in workload ? (workload.durationS ?? 1e9) : 1e9;
      // Fewer than `repeats` runs of a point are set aside and run again.
      return sum + (2 * repeats - 1) * seconds * timeScale;
    }, 0);
    // The rest is for the start of two deployments and a busy host.
    expect(mostS).toBeLessThanOrEqual(100);
  });

  test("has a scheduler in its comments that may take the place of the one above", async () => {
    const shown = /# {3}scheduler:\n(?:# {5}.*\n)+/.exec(text)?.[0] ?? "";
    const changed = text.replace(/^scheduler: fifo\n/m, shown.replace(/^# {3}/gm, ""));
    const { document } = await read(changed, {}, { directory: folder });
    expect(document.scheduler).toMatchObject({ routing: "power-of-two", ordering: "edf" });
  });

  test("names its own folder, as a shell takes it, in each of its commands", () => {
    const commands = text.match(/npx tandem .*/g) ?? [];
    expect(commands.map((command) => command.split(" ")[2])).toEqual([
      "check",
      "simulate",
      "plan",
      "validate",
      "report",
    ]);
    for (const command of commands) expect(command).toContain(` '${folder}'/`);
    expect(text).not.toContain("my-pipeline/");
  });
});
