import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { requestsOf } from "../engine/arrivals/arrival-source.ts";
import { Fault } from "../engine/basics/fault.ts";
import { expandSweep } from "./expand-sweep.test-support.ts";
import { expandValidation } from "./expand-sweep.ts";
import { parseScenario } from "./parse.ts";
import { SCENARIO_TEMPLATE } from "./template.test-support.ts";

const FOLDER = join(import.meta.dirname, "../scenarios");
const SCHEMA = join(FOLDER, "scenario.schema.json");
const FILES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".yaml"),
);

function load(path: string) {
  const file = join(FOLDER, path);
  return parseScenario(readFileSync(file, "utf8"), file, (wanted) => readFileSync(wanted, "utf8"));
}

describe("the scenarios of this repository", () => {
  test.each(FILES)("%s has no issues, in any configuration", (path) => {
    try {
      const loaded = load(path);
      expect(expandSweep(loaded).length).toBeGreaterThan(0);
      expandValidation(loaded);
    } catch (error) {
      if (error instanceof Fault) throw new Error(JSON.stringify(error.issues, null, 1));
      throw error;
    }
  });

  test.each(FILES)("%s starts by naming the schema", (path) => {
    const match = /^# yaml-language-server: \$schema=(\S+)\n/.exec(
      readFileSync(join(FOLDER, path), "utf8"),
    );
    const target = join(dirname(join(FOLDER, path)), match?.[1] ?? "none");
    expect(target).toBe(SCHEMA);
    expect(existsSync(target)).toBe(true);
  });

  test("the template of `init` has no issues and the configurations that it promises", () => {
    const loaded = parseScenario(SCENARIO_TEMPLATE, "scenario.yaml", () => {
      throw new Error("the template names no files");
    });
    expect(expandSweep(loaded)).toHaveLength(27);
    expect(SCENARIO_TEMPLATE).toContain("here 3 x 3 x 3");
  });

  test("Table 5.1 is within 1% of the report, by ceil(n / k) x 4.62 s", () => {
    const reportS = [4.61, 46.41, 9.3, 4.59, 231.22, 9.29, 4.61];
    const loaded = load("seed-table-5.1.yaml");
    const predictedS = expandSweep(loaded).map(({ document }) => {
      const n = requestsOf(document.workload) ?? 0;
      const { detect = 0, plate } = document.cluster.replicas;
      expect(plate).toBe(detect);
      const times = Object.values(document.models).map((model) =>
        model.service?.distribution === "deterministic" ? model.service.meanMs : Number.NaN,
      );
      return (Math.ceil(n / detect) * times.reduce((sum, ms) => sum + ms)) / 1000;
    });
    expect(predictedS).toHaveLength(reportS.length);
    predictedS.forEach((predicted, cell) => {
      expect(Math.abs(predicted / reportS[cell]! - 1)).toBeLessThan(0.01);
    });
    expect(expandValidation(loaded).map(({ id }) => id)).toEqual(
      expandSweep(loaded).map(({ id }) => id),
    );
  });
});
