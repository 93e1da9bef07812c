/** The demo from its first line to its last, on real models and processes. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { Workplace } from "../sweep/command-line.test-support.ts";

const workplace = new Workplace({});
afterAll(() => workplace.remove());

test("ends with verdicts, a report, and the scenario that it used", async () => {
  const { code, stdout, stderr } = await workplace.start(["demo", "--out", "demo"]).exit;
  expect([code, stderr]).toEqual([0, expect.stringContaining("== look at this host")]);
  expect(stdout).toMatch(/\n1 configuration validated: /);
  expect(stdout).toMatch(/of 36 configurations .* SLO/);
  expect(stdout).toMatch(/30% is [\d.]+\/s, 50% is [\d.]+\/s, 70% is [\d.]+\/s; capacity/);
  expect(stdout).toMatch(/ s {2}all\n$/);
  const file = (name: string) => join(workplace.folder, "demo", name);
  for (const name of ["report.html", "results.json", "validation.json", "scenario.schema.json"]) {
    expect([name, existsSync(file(name))]).toEqual([name, true]);
  }
  const { pipelines } = parse(readFileSync(file("scenario.yaml"), "utf8"));
  const results = JSON.parse(readFileSync(file("results.json"), "utf8"));
  expect(results.slo).toEqual(pipelines["image-analysis"].slo);
  const rates = new Set(
    results.configurations.map((one: { parameters: object }) =>
      Object.values(one.parameters).at(-1),
    ),
  );
  const shares: { ratePerS: number }[] = results.capacity.shares;
  // The share that is validated is one of the sweep.
  expect(rates).toEqual(new Set(shares.map(({ ratePerS }) => ratePerS)));
  // The written scenario is one to go on with.
  const { code: checked } = await workplace.start(["check", "demo/scenario.yaml"]).exit;
  expect(checked).toBe(0);
}, 900_000);
