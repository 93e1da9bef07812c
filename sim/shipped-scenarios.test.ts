/** The scenarios of this repository: what they gave before they give again, and Little's law. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import "../checks/support/solver.test-support.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import type { ScenarioDocument, WorkloadDocument } from "../scenario/schema/scenario.ts";
import { runReplication } from "./replication.ts";
import { auditedRun, expectLittlesLaw } from "./run-audit.test-support.ts";
import { shippedScenarios } from "./shipped-scenarios.test-support.ts";

const SHIPPED = shippedScenarios();
const DIGESTS = join(import.meta.dirname, "../scenarios/digests.json");

// After a change that has its reason: `npm run digests` (see CONTRIBUTING.md).
test("have the digests of scenarios/digests.json", async () => {
  const digests = SHIPPED.map(({ file, configurations, inputs }) => [
    file,
    Object.fromEntries(
      configurations.map(({ id, document }) => [
        id,
        runReplication(shortened(document, 3600, 2000), inputs, 0).summary.digest,
      ]),
    ),
  ]);
  const text = `${JSON.stringify(Object.fromEntries(digests), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(DIGESTS);
});

/** Configurations of each file whose law is checked: all in the long form. */
const LAWFUL = IS_LONG ? 1000 : 4;

describe.each(SHIPPED)("$file", ({ configurations, inputs }) => {
  test.each(configurations.slice(0, LAWFUL))(
    "keeps Little's law at every station: $id",
    ({ document }) => {
      // The law is exact for runs of any length.
      const short = shortened(document, 20, 1000);
      expectLittlesLaw(auditedRun(short, inputs), short);
    },
  );
});

/** The document with a shorter workload and without a warm-up. */
function shortened(document: ScenarioDocument, seconds: number, count: number): ScenarioDocument {
  const { durationS, requests } = document.workload as { durationS?: number; requests?: number };
  const workload = {
    ...document.workload,
    warmupS: 0,
    ...(durationS === undefined && document.workload.arrivals !== "trace"
      ? {}
      : { durationS: Math.min(durationS ?? seconds, seconds) }),
    ...(requests === undefined ? {} : { requests: Math.min(requests, count) }),
  };
  return { ...document, workload: workload as WorkloadDocument };
}
