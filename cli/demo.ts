/**
 * `tandem demo`: the whole path on this machine, on real models and real processes.
 *
 *   prepare models → calibrate → simulate the sweep → validate two configurations → report
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../core/fault.ts";
import { loadOnnxRuntime } from "../models/onnx-runtime.ts";
import { prepareModels } from "../models/store.ts";
import { calibrate } from "./calibrate.ts";
import { printFailure } from "./failure.ts";
import { report } from "./report.ts";
import { simulate } from "./simulate.ts";
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
/** Bound on the measurement of service times, so that the demo stays short on a noisy machine. */
const CALIBRATION_SECONDS = 30;

export async function demo({ images, out }: DemoArguments): Promise<void> {
  // Before anything is fetched: the demo is of real models.
  await loadOnnxRuntime();
  const steps: Step[] = [];
  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    process.stderr.write(`\n== ${name}\n`);
    const start = performance.now();
    const result = await work();
    steps.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  };
  mkdirSync(out, { recursive: true });
  const scenario = join(out, "scenario.yaml");
  copyFileSync(SCENARIO, scenario);
  const pictures = images === undefined ? {} : { images };

  await step("prepare models", () =>
    prepareModels({
      onProgress: ({ step, subject }) => process.stderr.write(`${step} ${subject}\n`),
    }),
  );
  const calibration = await step("calibrate on this machine", () =>
    calibrate({
      scenario,
      set: [],
      json: false,
      precision: 0.02,
      maxSeconds: CALIBRATION_SECONDS,
      ...pictures,
    }),
  );
  const set = Object.entries(calibration.branchShares).map(([branch, share]) => {
    const [pipeline, task] = branch.split("/");
    return `pipelines.${pipeline}.tasks.${task}.when.probability=${share}`;
  });
  const simulated = await step("simulate 3 schedulers × 4 shapes × 3 loads", () =>
    simulate({ scenario, set, json: false, yes: false, out, quiet: true }),
  );
  process.stdout.write(`${simulated} configurations simulated\n`);
  const failure = await step("validate on real worker processes", () =>
    validate({ scenario, set, json: false, out, ...pictures }).then(
      () => null,
      (error: unknown) => judged(error),
    ),
  );
  await step("report", () => report({ directory: out, json: false }));
  if (failure !== null) printFailure(failure);
  process.stdout.write(`${stepLines(steps)}\n`);
}

/** A verdict is part of the demo's answer; anything else ends it. */
function judged(error: unknown): Fault {
  if (error instanceof Fault && ["out-of-tolerance", "unhealthy"].includes(error.code))
    return error;
  throw error;
}

function stepLines(steps: readonly Step[]): string {
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...steps, { name: "all", seconds: total }]
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`)
    .join("\n");
}
