/** The shipped scenario on machines of any speed, without a run. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseScenario } from "../scenario/parse.ts";
import { profileSchema } from "../scenario/schema/profile.ts";
import { servingCapacity } from "../sim/replication.ts";
import { calibratedFiles } from "../sim/shipped-scenarios.test-support.ts";
import { calibratedChanges, changedText, roundedUp } from "./fit-to-machine.ts";

const SHIPPED = readFileSync(join(import.meta.dirname, "../scenarios/image-analysis.yaml"), "utf8");

const provenance = {
  kind: "imported",
  model: "m",
  device: "d",
  host: "h",
  runtime: "r",
  date: "x",
};

/** Quantiles of a batch of 1, on a machine that takes `factor` as long. */
function profile(factor: number, quantilesMs: readonly number[]) {
  const quantilesUs = quantilesMs.map((ms) => ms * 1000 * factor);
  const meanUs = quantilesUs.reduce((sum, us) => sum + us, 0) / quantilesUs.length;
  const batch = { batch: 1, samples: 100, meanUs, halfWidth95Us: 0, quantilesUs };
  return { schema: "tandem/profile@1", provenance, batches: [batch] };
}

const DETECTOR = [30, 33, 34, 35, 37, 41];
const READER = [30, 35, 40, 45, 50, 70];

/** The shipped scenario on a machine where all takes `factor` as long, its models as given. */
function loadedOn(factor: number, detectorMs = DETECTOR, readerMs = READER, text = SHIPPED) {
  const files: Readonly<Record<string, unknown>> = {
    "profiles/detector.json": profile(factor, detectorMs),
    "profiles/plate-reader.json": profile(factor, readerMs),
    "profiles/overheads.json": calibratedFiles["overheads.json"],
  };
  const options = { capacityOf: servingCapacity, requireTimes: true };
  return parseScenario(text, "s.yaml", (path) => JSON.stringify(files[path]), {}, options);
}

describe("the demo's scenario", () => {
  const calibration = {
    profiles: {
      detector: profileSchema.parse(profile(2, DETECTOR)),
      "plate-reader": profileSchema.parse(profile(2, READER)),
    },
    branchShares: { "image-analysis/plate": 0.55 },
  };

  test("has measured shares, and an SLO of three times the times, rounded up", () => {
    // 70 + 90 ms.
    expect(calibratedChanges(loadedOn(1).document, calibration)).toEqual([
      [["pipelines", "image-analysis", "tasks", "plate", "when", "probability"], 0.55],
      [["pipelines", "image-analysis", "slo", "latencyMs"], 500],
    ]);
  });

  test.each([
    [231, 250],
    [84.2, 85],
    [250, 250],
    [1120, 1500],
    [0.31, 0.35],
  ])("rounds %d up to %d", (value, rounded) => expect(roundedUp(value)).toBe(rounded));

  test("is the shipped one but for what was changed, comments and all", () => {
    const changes = calibratedChanges(loadedOn(1).document, calibration);
    const gone = [["validation", "points"], undefined] as const;
    const text = changedText(SHIPPED, ["", "why"], [...changes, gone]);
    const commentsOf = (yaml: string) => yaml.split("\n").filter((line) => /^\s*#/.test(line));
    const [schema, ...comments] = commentsOf(SHIPPED);
    expect(commentsOf(text)).toEqual([schema, "#", "# why", ...comments]);
    const document = parse(SHIPPED);
    document.pipelines["image-analysis"].slo.latencyMs = 500;
    document.pipelines["image-analysis"].tasks.plate.when.probability = 0.55;
    delete document.validation.points;
    expect(parse(text)).toEqual(document);
  });

  test("loads every machine alike", () => {
    const [quick, slow] = [loadedOn(1), loadedOn(2.3)];
    const ratio = (quick.capacity?.perS ?? 0) / (slow.capacity?.perS ?? 1);
    expect(ratio).toBeGreaterThan(2.2);
    expect(ratio).toBeLessThan(2.3);
    const shares = (capacity = quick.capacity) =>
      capacity?.shares.map(({ ofCapacity }) => ofCapacity);
    expect(shares()).toEqual([0.3, 0.5, 0.7]);
    expect(shares(slow.capacity)).toEqual(shares());
  });
});
