import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import { singleDocument, sweepDocument } from "../documents.test-support.ts";
import { readDocuments } from "./documents.ts";
import { doubtLines } from "./input-doubt.ts";

/** With parts of the mean latency's ±, half widths in ms. */
function doubtful(document: ResultsDocument, simulation: number, inputs: number): ResultsDocument {
  const configurations = document.configurations.map((one, i): ConfigurationResult => {
    const parts = { simulation, inputs: inputs * (i + 1) };
    const latencyMeanMs = { mean: 134, halfWidth95: Math.hypot(simulation, parts.inputs), parts };
    const shares = { "plate.json": 0.7, "detector.json": 0.2, "cost of messages": 0.1 };
    const effects = { draws: 24, shares, deviations: {} };
    return { ...one, metrics: { ...one.metrics, latencyMeanMs }, inputs: effects };
  });
  return { ...document, configurations, command: "npx tandem simulate 'my s.yaml' --seed 1" };
}

test("the parts of ± stand in a line, and the input to measure longer in another", () => {
  expect(doubtLines(doubtful(singleDocument(), 4, 16))).toEqual([
    "mean latency 134 ± 16 ms: simulation 4, calibration 16",
    "most of calibration's part comes from plate.json (70%), then detector.json (20%); measure longer: npx tandem calibrate 'my s.yaml' --max-seconds 480",
  ]);
});

test("results that are read from a folder keep the parts", async () => {
  const directory = temporaryFolder("input-doubt");
  const document = doubtful(singleDocument(), 4, 16);
  writeFileSync(join(directory, "results.json"), JSON.stringify(document));
  const { results } = await readDocuments(directory);
  expect(doubtLines(results)).toEqual(doubtLines(document));
});

test("where replications would do more, no input is named", () => {
  expect(doubtLines(doubtful(singleDocument(), 16, 4))).toEqual([
    "mean latency 134 ± 16 ms: simulation 16, calibration 4",
  ]);
});

test("many configurations are summed up by the least known of them", () => {
  const document = doubtful(sweepDocument(), 1, 0.5);
  const [line, ...others] = doubtLines(document);
  expect(line).toMatch(/: mean latency 134 ± 18 ms: simulation 1, calibration 18$/);
  expect(others).toHaveLength(1);
});

test("assumed times give no line", () => {
  expect(doubtLines(sweepDocument())).toEqual([]);
});
