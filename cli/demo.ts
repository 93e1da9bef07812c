/**
 * `tandem demo`: the whole path on this machine, on real models and real processes. Everything that depends on the
 * machine follows from its calibration: loads are shares of capacity, the goal a multiple of the times, and the real
 * runs as long as a verdict takes, within a bound.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { Fault } from "../engine/basics/fault.ts";
import { fitToMachine, hostWarnings, prepareModels } from "../library/index.ts";
import { checkedOptions, type Values } from "../library/option.ts";
import { makeFolder, writeAtomically } from "../sweep/atomic-file.ts";
import { calibrate, calibrateOrCheck } from "./calibrate.ts";
import { printFailure, untilInterrupted } from "./failure.ts";
import { writeSchema } from "./init.ts";
import { CALIBRATE_COMMAND, type DEMO, SCENARIO, SIMULATE, VALIDATE_COMMAND } from "./options.ts";
import { duration } from "./progress.ts";
import { report } from "./results.ts";
import { askedSweep, sweepAnd } from "./simulate.ts";
import { validate } from "./validate.ts";

interface Step {
  readonly name: string;
  readonly seconds: number;
}

const HOST_CHECK_S = 3;

type Calibrating = Parameters<typeof calibrate>[0];

/** A shipped scenario, and how it comes to fit the machine. */
interface Show {
  readonly scenario: string;
  /** Data files beside it. */
  readonly files: readonly string[];
  readonly takes: string;
  readonly weights?: string;
  readonly sweep: string;
  /** Bounds that keep the whole short on a slow machine of two cores. */
  readonly calibrateS: number;
  readonly validateS: number;
  /** A calibration that measured disturbed rounds again leaves less of this for the validation. */
  readonly wholeS: number;
  fit(path: string, args: Calibrating): Promise<void>;
}

const PICTURES: Show = {
  scenario: "image-analysis.yaml",
  files: [],
  takes: "three to five minutes",
  sweep: "3 schedulers × 4 shapes × 3 loads",
  calibrateS: 65,
  validateS: 190,
  wholeS: 285,
  fit: async (path, args) =>
    fitToMachine(path, await calibrate(args), [
      "",
      "Written by `tandem demo` for this machine: profiles and branch probabilities as measured; an SLO of",
      "3 times the mean times of all tasks together, rounded up.",
    ]),
};

/** Three blocks, which a verdict takes at least. */
const LEAST_VALIDATION_S = 120;

const STEPS = "models/smollm2-135m.json";

const TEXTS: Show = {
  scenario: "rag.yaml",
  files: [STEPS, "traces/rag.csv"],
  takes: "four to six minutes",
  weights: "smollm2-135m",
  sweep: "2 orders of iterations × 2 shapes",
  calibrateS: 45,
  validateS: 240,
  wholeS: 350,
  async fit(path, args) {
    await calibrateOrCheck(args);
    slowedDown(path, requestMs(join(path, "..", STEPS)) / requestMs(shipped(STEPS)));
  },
};

export async function demo({ images, llm, yes, out }: Values<typeof DEMO>): Promise<void> {
  if (llm && images !== undefined) {
    throw new Fault("usage", "--llm has no use for pictures", { hint: "leave out --images" });
  }
  const show = llm ? TEXTS : PICTURES;
  const steps: Step[] = [];
  const step = async <T>(name: string, aboutS: number, work: () => Promise<T>): Promise<T> => {
    process.stderr.write(`\n== ${name} (about ${duration(aboutS)})\n`);
    const start = performance.now();
    const result = await work();
    steps.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  process.stderr.write(`the demo takes ${show.takes} on two cores\n`);
  const onNote = (line: string): void => void process.stderr.write(`${line}\n`);
  const { weights, calibrateS } = show;
  const mayFetch = yes || !process.stdin.isTTY ? undefined : asked;
  await step("prepare models", 10, () => prepareModels({ images, weights, onNote, mayFetch }));
  await step("look at this host", HOST_CHECK_S, sayHost);
  makeFolder(out);
  const scenario = join(out, "scenario.yaml");
  writeSchema(out);
  for (const file of show.files)
    writeAtomically(join(out, file), readFileSync(shipped(file), "utf8"));
  writeAtomically(scenario, readFileSync(shipped(show.scenario), "utf8"));
  await step("calibrate on this machine", calibrateS + 25, () => {
    const given = { scenario, maxSeconds: calibrateS, images };
    return show.fit(scenario, checkedOptions({ ...SCENARIO, ...CALIBRATE_COMMAND }, given));
  });
  await step(`simulate ${show.sweep}`, 5, async () => {
    const given = { scenario, directory: out };
    const { loaded, options } = await askedSweep(
      checkedOptions({ ...SCENARIO, ...SIMULATE }, given),
    );
    await sweepAnd(loaded, options, () => undefined);
  });
  const leftS = show.wholeS - secondsOf(steps);
  const validateS = Math.min(show.validateS, Math.max(LEAST_VALIDATION_S, leftS));
  const failure = await step("validate on real worker processes", validateS, () =>
    validate(
      checkedOptions(
        { ...SCENARIO, ...VALIDATE_COMMAND },
        { scenario, directory: out, budgetS: validateS, images },
      ),
    ).then(
      () => null,
      (error: unknown) => judged(error),
    ),
  );
  const { headlines } = await step("report", 5, () =>
    report({ directory: out, json: false, png: false }),
  );
  for (const text of headlines) process.stdout.write(`${text}\n`);
  if (failure !== null) printFailure(failure);
  process.stdout.write(`${stepLines(steps)}\n`);
}

async function asked(wanted: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`fetch ${wanted} into this user's cache? [Y/n] `);
  terminal.close();
  return /^\s*(y|yes)?\s*$/i.test(answer);
}

function shipped(file: string): string {
  return fileURLToPath(new URL(`../scenarios/${file}`, import.meta.url));
}

/** A request of the scenario's mean lengths alone on the engine, ms, by a step profile. */
function requestMs(path: string): number {
  const { times } = JSON.parse(readFileSync(path, "utf8")) as {
    times: { prefill: readonly number[]; decode: readonly number[] };
  };
  const [prompt, output] = [97, 75];
  const { prefill, decode } = times;
  const read = prefill[0] + prefill[1] * prompt + prefill[2] * prompt ** 2;
  return read + (output - 1) * (decode[0] + decode[1] * (prompt + output / 2) + decode[2]);
}

/** On a machine so many times as slow as the one of the shipped profile, requests come as much more slowly. */
function slowedDown(path: string, factor: number): void {
  const comment =
    "# Written by `tandem demo --llm` for this machine: times of iterations as measured";
  const rate =
    factor > 1
      ? `;\n# requests come ${factor.toFixed(2)} times as slowly as in the shipped scenario`
      : "";
  const text = readFileSync(path, "utf8")
    .replace(/\n/, `\n#\n${comment}${rate}.\n`)
    .replace(
      /scale: ([\d.]+)/,
      (_, scale) => `scale: ${(scale * Math.max(1, factor)).toPrecision(3)}`,
    );
  writeAtomically(path, text);
}

/** A warning where the host is not fit: the demo goes on, and its verdict says so again. */
async function sayHost(): Promise<void> {
  const lines = await untilInterrupted((signal) => hostWarnings({ signal }));
  process.stderr.write(lines.length === 0 ? "fit\n" : `${lines.join("\n")}\n`);
}

/** A verdict is part of the demo's answer; anything else ends it. */
function judged(error: unknown): Fault {
  if (error instanceof Fault && error.code === "out-of-tolerance") return error;
  throw error;
}

function secondsOf(steps: readonly Step[]): number {
  return steps.reduce((sum, { seconds }) => sum + seconds, 0);
}

function stepLines(steps: readonly Step[]): string {
  return [...steps, { name: "all", seconds: secondsOf(steps) }]
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`)
    .join("\n");
}
