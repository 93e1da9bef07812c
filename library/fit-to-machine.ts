/** `fitToMachine`: a scenario's goal, branches and real runs, as the times of a machine allow. */
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import type { Calibration } from "../calibration/calibrate.ts";
import {
  AIM,
  aroundRunSeconds,
  deviationIn1S,
  effortOf,
  forecastRun,
  runLength,
} from "../calibration/predict.ts";
import { givenWarmupS } from "../core/arrivals/arrival-source.ts";
import { poolsOf } from "../core/placement.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { validationSchema } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { expandValidation } from "../core/scenario/sweep.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";
import { inputsOf, scenario } from "./scenario.ts";
import { secondsBefore } from "./validate.ts";

const MOST_RUNS_S = 70;
/** `budgetS` keeps a share of what it is given in reserve. */
const BUDGET_PER_EFFORT = 1.06;

/**
 * Changes a scenario file, whose profiles are written, in place: branch probabilities as measured; a goal of 3 times
 * the mean times of all tasks together; real runs as long as it takes to tell the tolerances of `validation`, within
 * the time of a demo. `comment` goes below its first line. Gives the `budgetS` of a validation that goes as foreseen.
 */
export async function fitToMachine(
  file: string,
  calibration: Calibration,
  comment: readonly string[],
): Promise<number> {
  const text = readFileSync(file, "utf8");
  const changes = calibratedChanges((await scenario(file)).document, calibration);
  writeAtomically(file, changedText(text, comment, changes));
  // How long to run follows from the scenario with its loads and branches.
  const lengths = lengthChanges(await scenario(file), MOST_RUNS_S);
  writeAtomically(file, changedText(text, comment, [...changes, ...lengths]));
  const loaded = await scenario(file);
  const { backend, repeats, timeScale } = validationSchema.parse(loaded.document.validation);
  const forecasts = expandValidation(loaded, { checkScheduler }).map(({ document }) =>
    forecastRun(document, inputsOf(loaded), timeScale),
  );
  const { seconds } = effortOf(forecasts, backend, repeats);
  return Math.ceil(BUDGET_PER_EFFORT * (secondsBefore(loaded, backend) + seconds));
}

/** A goal is so many times the time that a request takes alone, all of its tasks included. */
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

/** Measured shares of branches, and a goal that the measured times allow. */
export function calibratedChanges(
  document: ScenarioDocument,
  { profiles, branchShares }: Pick<Calibration, "profiles" | "branchShares">,
): readonly Change[] {
  const shares = Object.entries(branchShares).map(([branch, share]): Change => {
    const [pipeline, task] = branch.split("/");
    return [["pipelines", pipeline, "tasks", task, "when", "probability"], share];
  });
  const goals = Object.entries(document.pipelines).map(([name, { tasks }]): Change => {
    const meansMs = poolsOf(tasks).map(
      ({ model }) => (profiles[model]?.batches[0]?.meanUs ?? 0) / 1000,
    );
    const sumMs = meansMs.reduce((sum, ms) => sum + ms, 0);
    return [["pipelines", name, "slo", "latencyMs"], roundedUp(SLO_FACTOR * sumMs)];
  });
  return [...shares, ...goals];
}

/**
 * Real runs that are as long as a verdict takes, of as many of the validation's points as `mostS`
 * seconds have room for, and of the first in any case.
 */
export function lengthChanges(loaded: LoadedScenario, mostS: number): readonly Change[] {
  const { backend, timeScale, metrics } = validationSchema.parse(loaded.document.validation ?? {});
  const points = expandValidation(loaded, { checkScheduler }).map(({ document }) => {
    const plan = { document, inputs: inputsOf(loaded), backend, timeScale };
    return { warmupS: givenWarmupS(document.workload), deviation: deviationIn1S(plan, metrics) };
  });
  const lengthOf = (kept: number) => {
    const some = points.slice(0, kept);
    return runLength(Math.max(...some.map(({ deviation }) => deviation)), {
      aroundS: aroundRunSeconds(backend) + Math.max(...some.map(({ warmupS }) => warmupS)),
      mostS: mostS / kept,
    });
  };
  let kept = points.length;
  while (kept > 1 && lengthOf(kept).share > AIM) kept--;
  const { repeats, windowS } = lengthOf(kept);
  return [
    [["validation", "repeats"], repeats],
    ...points.map(({ warmupS }, i): Change => {
      const point = ["validation", "points", i];
      return i < kept ? [[...point, "workload.durationS"], warmupS + windowS] : [point, undefined];
    }),
  ];
}

/** To one digit and a half: 231 is 250, 84.2 is 85, 1120 is 1500. */
export function roundedUp(value: number): number {
  const step = 10 ** Math.floor(Math.log10(value)) / 2;
  return Number((Math.ceil(value / step) * step).toPrecision(12));
}
