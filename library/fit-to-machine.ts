/** `fitToMachine`: a scenario's SLO and branches, as the times of a machine allow. */
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import type { Calibration } from "../calibration/calibrate.ts";
import { inPlaceFactor } from "../scenario/compile/in-place.ts";
import { poolsOf } from "../scenario/compile/placement.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";
import { scenario } from "./scenario.ts";

/**
 * Changes a scenario file, whose profiles are written, in place: branch probabilities as measured; an SLO of 3 times
 * the mean times of all tasks together. `comment` goes below its first line.
 */
export async function fitToMachine(
  file: string,
  calibration: Calibration,
  comment: readonly string[],
): Promise<void> {
  const text = readFileSync(file, "utf8");
  const changes = calibratedChanges((await scenario(file)).document, calibration);
  writeAtomically(file, changedText(text, comment, changes));
}

/** An SLO is so many times the time that a request takes alone, all of its tasks included. */
const SLO_FACTOR = 3;

/** A value that is written in the scenario; undefined takes an entry out of its list. */
export type Change = readonly [path: readonly (string | number)[], value: unknown];

/** The text with values changed and lines of comment below its first; the last changes come first. */
export function changedText(
  text: string,
  comment: readonly string[],
  changes: readonly Change[],
): string {
  const document = parseDocument(text);
  for (const [path, value] of changes.toReversed()) {
    if (value === undefined) document.deleteIn(path);
    else document.setIn(path, value);
  }
  const [schema, ...rest] = document.toString({ lineWidth: 100 }).split("\n");
  return [schema, ...comment.map((line) => `# ${line}`.trimEnd()), ...rest].join("\n");
}

/** Measured shares of branches, and an SLO that the measured times allow. */
export function calibratedChanges(
  document: ScenarioDocument,
  { profiles, branchShares }: Pick<Calibration, "profiles" | "branchShares">,
): readonly Change[] {
  const shares = Object.entries(branchShares).map(([branch, share]): Change => {
    const [pipeline, task] = branch.split("/");
    return [["pipelines", pipeline, "tasks", task, "when", "probability"], share];
  });
  const goals = Object.entries(document.pipelines).map(([name, { tasks }]): Change => {
    const meansMs = poolsOf(tasks).map(({ model }) => {
      const profile = profiles[model];
      return profile === undefined
        ? 0
        : (inPlaceFactor(profile) * profile.batches[0].meanUs) / 1000;
    });
    const sumMs = meansMs.reduce((sum, ms) => sum + ms, 0);
    return [["pipelines", name, "slo", "latencyMs"], roundedUp(SLO_FACTOR * sumMs)];
  });
  return [...shares, ...goals];
}

/** To one digit and a half: 231 is 250, 84.2 is 85, 1120 is 1500. */
export function roundedUp(value: number): number {
  const step = 10 ** Math.floor(Math.log10(value)) / 2;
  return Number((Math.ceil(value / step) * step).toPrecision(12));
}
