/**
 * `tandem demo`: the whole path on this machine, on real models and real processes. Everything that depends on the
 * machine follows from its calibration: loads are shares of capacity, the goal a multiple of the times, and the real
 * runs as long as a verdict takes, within a bound.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../engine/basics/fault.ts";
import { fitToMachine, hostWarnings, prepareModels } from "../library/index.ts";
import { checkedOptions, type Values } from "../library/option.ts";
import { makeFolder, writeAtomically } from "../sweep/atomic-file.ts";
import { calibrate } from "./calibrate.ts";
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

const SHIPPED = fileURLToPath(new URL("../scenarios/image-analysis.yaml", import.meta.url));
const HOST_CHECK_S = 3;
/** Bounds that keep the demo below five minutes on a slow machine of two cores. */
const CALIBRATE_S = 75;
const VALIDATE_S = 160;

const COMMENT = [
  "",
  "Written by `tandem demo` for this machine: profiles and branch probabilities as measured; an SLO of",
  "3 times the mean times of all tasks together, rounded up.",
];

export async function demo({ images, out }: Values<typeof DEMO>): Promise<void> {
  const steps: Step[] = [];
  const step = async <T>(name: string, aboutS: number, work: () => Promise<T>): Promise<T> => {
    process.stderr.write(`\n== ${name} (about ${duration(aboutS)})\n`);
    const start = performance.now();
    const result = await work();
    steps.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  process.stderr.write("the demo takes three to five minutes on two cores\n");
  const onNote = (line: string): void => void process.stderr.write(`${line}\n`);
  await step("prepare models", 10, () => prepareModels({ images, onNote }));
  await step("look at this host", HOST_CHECK_S, sayHost);
  makeFolder(out);
  const scenario = join(out, "scenario.yaml");
  writeSchema(out);
  writeAtomically(scenario, readFileSync(SHIPPED, "utf8"));
  await step("calibrate on this machine", CALIBRATE_S + 10, async () => {
    const given = { scenario, maxSeconds: CALIBRATE_S, images };
    const args = checkedOptions({ ...SCENARIO, ...CALIBRATE_COMMAND }, given);
    return fitToMachine(scenario, await calibrate(args), COMMENT);
  });
  await step("simulate 3 schedulers × 4 shapes × 3 loads", 5, async () => {
    const given = { scenario, directory: out };
    const { loaded, options } = await askedSweep(
      checkedOptions({ ...SCENARIO, ...SIMULATE }, given),
    );
    await sweepAnd(loaded, options, () => undefined);
  });
  const failure = await step("validate on real worker processes", VALIDATE_S, () =>
    validate(
      checkedOptions(
        { ...SCENARIO, ...VALIDATE_COMMAND },
        { scenario, directory: out, budgetS: VALIDATE_S, images },
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

function stepLines(steps: readonly Step[]): string {
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...steps, { name: "all", seconds: total }]
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`)
    .join("\n");
}
