/**
 * `tandem demo`: the whole path on this machine, on real models and real processes.
 *
 *   check pictures and host → prepare models → calibrate → fit the scenario to the machine
 *     → simulate the sweep → validate → report
 *
 * Everything that depends on the machine follows from its calibration: loads are shares of capacity, the goal
 * a multiple of the times, and the real runs as long as a verdict takes, within a bound.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Document, isNode, parseDocument, type Range } from "yaml";
import type { Calibration } from "../calibration/calibrate.ts";
import {
  AIM,
  aroundRunSeconds,
  deviationIn1S,
  effortOf,
  forecastRun,
  runLength,
} from "../calibration/validation-effort.ts";
import { givenWarmupS } from "../core/arrivals/extent.ts";
import { assert, Fault } from "../core/fault.ts";
import { poolsOf } from "../core/placement.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { validationSchema } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { expandValidation } from "../core/scenario/sweep.ts";
import { checkHost, HOST_CHECK_S } from "../library/check-host.ts";
import { inputsOf } from "../library/scenario.ts";
import { secondsBefore } from "../library/validate.ts";
import { loadImages } from "../models/scenes.ts";
import { loadOnnxRuntime } from "../models/session.ts";
import { prepareModels } from "../models/store.ts";
import { readDocuments } from "../reports/read-documents.ts";
import { headlines } from "../reports/tables/headlines.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";
import { calibrate } from "./calibrate.ts";
import { printFailure, untilInterrupted } from "./failure.ts";
import { writeSchema } from "./init.ts";
import { duration } from "./progress.ts";
import { report } from "./report.ts";
import { loadScenario } from "./scenario-file.ts";
import { askedSweep, sweepAnd } from "./simulate.ts";
import { validate } from "./validate.ts";

export interface DemoArguments {
  readonly images?: string;
  readonly out: string;
}

interface Step {
  readonly name: string;
  readonly seconds: number;
}

const SCENARIO = fileURLToPath(new URL("../scenarios/image-analysis.yaml", import.meta.url));
/** Bounds that keep the demo below four minutes on a slow machine of two cores. */
const MOST_SERVICE_S = 12;
const MOST_PILOT_S = 24;
const MOST_RUNS_S = 70;
/** `--budget` keeps a share of what it is given in reserve. */
const BUDGET_PER_EFFORT = 1.06;

const COMMENT = [
  "",
  "Written by `tandem demo` for this machine: profiles and branch probabilities as measured; a goal of",
  "3 times the mean times of all tasks together, rounded up; real runs as long as it takes to tell the",
  "tolerances of `validation`, within the time of a demo.",
];

export async function demo({ images, out }: DemoArguments): Promise<void> {
  // Before anything is fetched: the demo is of real models.
  await loadOnnxRuntime();
  if (images !== undefined) await loadImages(images);
  const pictures = images === undefined ? {} : { images };
  const steps: Step[] = [];
  const step = async <T>(name: string, aboutS: number, work: () => Promise<T>): Promise<T> => {
    process.stderr.write(`\n== ${name} (about ${duration(aboutS)})\n`);
    const start = performance.now();
    const result = await work();
    steps.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  mkdirSync(out, { recursive: true });
  const scenario = join(out, "scenario.yaml");
  process.stderr.write("the demo takes two to four minutes on two cores\n");

  await step("look at this host", HOST_CHECK_S, sayHost);
  await step("prepare models", 10, () =>
    prepareModels({
      onProgress: ({ step, subject }) => process.stderr.write(`${step} ${subject}\n`),
    }),
  );
  writeSchema(out);
  writeAtomically(scenario, readFileSync(SCENARIO, "utf8"));
  const budgetS = await step("calibrate on this machine", 60, async () => {
    const bounds = { maxSeconds: MOST_SERVICE_S, maxPilotSeconds: MOST_PILOT_S };
    const args = { scenario, set: [], json: false, precision: 0.02, ...bounds, ...pictures };
    await fitToMachine(scenario, await calibrate(args));
    return await budgetOf(scenario);
  });
  await step("simulate 3 schedulers × 4 shapes × 3 loads", 5, async () => {
    const { loaded, options } = await askedSweep({
      ...{ scenario, set: [], json: false, yes: false, out },
    });
    await sweepAnd(loaded, options, () => undefined);
  });
  const failure = await step("validate on real worker processes", budgetS, () =>
    validate({ scenario, set: [], json: false, out, budget: `${budgetS}s`, ...pictures }).then(
      () => null,
      (error: unknown) => judged(error),
    ),
  );
  await step("report", 5, () => report({ directory: out, json: false }));
  await sayHeadlines(out);
  if (failure !== null) printFailure(failure);
  process.stdout.write(`${stepLines(steps)}\n`);
}

/** A warning where the host is not fit: the demo goes on, and its verdict says so again. */
async function sayHost(): Promise<void> {
  const lines = await untilInterrupted((signal) => checkHost(false, signal));
  process.stderr.write(lines.length === 0 ? "fit\n" : `${lines.join("\n")}\n`);
}

/** Two writes: how long to run follows from the scenario with its loads and branches. */
async function fitToMachine(
  scenario: string,
  calibration: Parameters<typeof calibratedChanges>[1],
): Promise<void> {
  const shipped = readFileSync(SCENARIO, "utf8");
  const changes = calibratedChanges((await loaded(scenario)).document, calibration);
  writeAtomically(scenario, changedText(shipped, COMMENT, changes));
  const lengths = lengthChanges(await loaded(scenario), MOST_RUNS_S);
  writeAtomically(scenario, changedText(shipped, COMMENT, [...changes, ...lengths]));
}

/** Seconds after which a validation that goes as foreseen has ended, and no more runs are started. */
async function budgetOf(scenario: string): Promise<number> {
  const scenarioRead = await loaded(scenario);
  const { backend, repeats, timeScale } = validationSchema.parse(scenarioRead.document.validation);
  const forecasts = expandValidation(scenarioRead, { checkScheduler }).map(({ document }) =>
    forecastRun(document, inputsOf(scenarioRead), timeScale),
  );
  const { seconds } = effortOf(forecasts, backend, repeats);
  return Math.ceil(BUDGET_PER_EFFORT * (secondsBefore(scenarioRead, backend) + seconds));
}

function loaded(scenario: string): Promise<LoadedScenario> {
  return loadScenario({ scenario, set: [] });
}

/** As the report begins. */
async function sayHeadlines(out: string): Promise<void> {
  const { results, validation } = await readDocuments(out);
  for (const { text } of headlines(results, validation)) process.stdout.write(`${text}\n`);
}

/** A verdict is part of the demo's answer; anything else ends it. */
function judged(error: unknown): Fault {
  if (error instanceof Fault && error.code === "out-of-tolerance") return error;
  throw error;
}

function stepLines(steps: readonly Step[]): string {
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...steps, { name: "all", seconds: total }]
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`)
    .join("\n");
}

/** A goal is so many times the time that a request takes alone, all of its tasks included. */
const SLO_FACTOR = 3;

/** A value that is written in the scenario; undefined takes an entry, not the first, out of its list. */
export type Change = readonly [path: readonly (string | number)[], value: unknown];

/** The text with values changed in place and lines of comment below its first; the rest is as it was. */
export function changedText(
  text: string,
  comment: readonly string[],
  changes: readonly Change[],
): string {
  const document = parseDocument(text);
  const edits = changes.map(([path, value]) => {
    const [start, end] = rangeAt(document, path);
    if (value !== undefined) return { start, end, text: JSON.stringify(value) };
    const before = [...path.slice(0, -1), Number(path.at(-1)) - 1];
    return { start: rangeAt(document, before)[1], end, text: "" };
  });
  const changed = edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((now, { start, end, text: put }) => now.slice(0, start) + put + now.slice(end), text);
  const [schema, ...rest] = changed.split("\n");
  return [schema, ...comment.map((line) => `# ${line}`.trimEnd()), ...rest].join("\n");
}

function rangeAt(document: Document, path: readonly (string | number)[]): Range {
  const node = document.getIn(path, true);
  assert(isNode(node) && node.range != null, `the demo's scenario has ${path.join(".")}`);
  return node.range;
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
