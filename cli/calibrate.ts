/** `tandem calibrate`: measures on this machine and writes the profiles that the scenario names. */
import { dirname, resolve } from "node:path";
import { type Calibration, calibrate as measure } from "../calibration/calibrate.ts";
import type { ContentsSource } from "../calibration/contents.ts";
import { Fault } from "../core/fault.ts";
import type { Profile } from "../core/profile.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { inputsOf } from "../library/scenario.ts";
import { plural } from "../reports/tables/format.ts";
import { writeJson } from "../sweep/atomic-file.ts";
import { progress } from "./progress.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

export interface CalibrateArguments extends ScenarioArguments, ContentsSource {
  readonly json: boolean;
  readonly precision: number;
  readonly maxSeconds: number;
  readonly maxPilotSeconds?: number;
}

/** Contention is measured up to this many busy replicas of one machine. */
const CONTENTION_LEVELS = 4;

export async function calibrate(args: CalibrateArguments): Promise<Calibration> {
  if (!(args.precision > 0 && args.precision < 1)) {
    throw new Fault("usage", `--precision is a share such as 0.02, got ${args.precision}`);
  }
  const loaded = await loadScenario(args, { requireTimes: false });
  const targets = profilePaths(loaded);
  let shown = progress("measure", { total: 1 });
  const calibration = await measure(loaded.document, {
    source: args,
    folder: inputsOf(loaded).folder,
    own: loaded.own,
    precision: args.precision,
    maxSeconds: args.maxSeconds,
    maxPilotSeconds: args.maxPilotSeconds,
    contentionLevels: CONTENTION_LEVELS,
    date: new Date().toISOString(),
    onStep: (step) => process.stderr.write(`calibrate: ${step}\n`),
    onProgress: (done, total) => {
      if (done === 0) {
        shown.stop();
        shown = progress("precise enough", { total });
      }
      shown.update(done);
    },
  });
  shown.stop();
  const written = writeProfiles(loaded, targets, calibration);
  if (args.json) {
    const document = { schema: "tandem/calibration@1", written, ...calibration };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  } else process.stdout.write(`${calibrationText(loaded, calibration, written)}\n`);
  return calibration;
}

/** Where each model's profile goes. Throws Fault when there is nothing to measure. */
function profilePaths(loaded: LoadedScenario): Readonly<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const [name, model] of Object.entries(loaded.document.models)) {
    if (model.implementation === undefined) continue;
    const path = typeof model.profile === "string" ? model.profile : `profiles/${name}.json`;
    paths[name] = resolve(dirname(loaded.file), path);
  }
  if (Object.keys(paths).length === 0) {
    throw new Fault("invalid-input", `no model of ${loaded.file} names an implementation`, {
      hint: "give models.<name>.implementation, e.g. { name: ssd-mobilenet-v2 }",
    });
  }
  return paths;
}

function writeProfiles(
  loaded: LoadedScenario,
  targets: Readonly<Record<string, string>>,
  { profiles, overheadProfile }: Calibration,
): string[] {
  const written: string[] = [];
  for (const [name, path] of Object.entries(targets)) {
    writeJson(path, profiles[name]);
    written.push(path);
  }
  const { overheadProfile: named } = loaded.document.cluster;
  if (named !== undefined) {
    const path = resolve(dirname(loaded.file), named);
    writeJson(path, overheadProfile);
    written.push(path);
  }
  return written;
}

function calibrationText(
  loaded: LoadedScenario,
  { profiles, overheadProfile, branchShares }: Calibration,
  written: readonly string[],
): string {
  const lines = Object.entries(profiles).flatMap(([name, profile]) => profileLines(name, profile));
  const { clientRoundTripUs, workerRoundTripUs, gateway, contention } = overheadProfile;
  const ms = (us: number): string => (us / 1000).toFixed(2);
  const median = (values: readonly number[]): number => values[Math.floor(values.length / 2)];
  lines.push(
    `round trips, median: client ${ms(median(clientRoundTripUs))} ms, worker ${ms(median(workerRoundTripUs))} ms`,
    `gateway, CPU time: arrival ${ms(gateway.arrivalUs)} ms, dispatch ${ms(gateway.dispatchUs)} ms, completion ${ms(gateway.completionUs)} ms`,
    `slow-down with 1, 2, … busy replicas: ${contention.map((factor) => factor.toFixed(2)).join(", ")}`,
  );
  for (const [branch, share] of Object.entries(branchShares)) {
    const [pipeline, task] = branch.split("/");
    const assumed = loaded.document.pipelines[pipeline].tasks[task].when?.probability;
    lines.push(
      `${branch}: ran for ${(100 * share).toFixed(1)}% (the scenario says ${100 * (assumed ?? 1)}%)`,
    );
  }
  return [...lines, ...written.map((path) => `wrote ${path}`)].join("\n");
}

function profileLines(name: string, { batches, load, servingFactor = 1 }: Profile): string[] {
  const serving = servingFactor > 1 ? `, ${servingFactor.toFixed(2)} × its time alone` : "";
  const times = batches.map(({ batch, meanUs, halfWidth95Us, samples }) => {
    const mean = (meanUs / 1000).toFixed(2);
    const half = (halfWidth95Us / 1000).toFixed(2);
    return `${name}, batch ${batch}: ${mean} ± ${half} ms (${plural(samples, "sample")}${serving})`;
  });
  if (load === undefined) return times;
  return [...times, `${name}, load: ${load.ms.toFixed(0)} ms, ${load.memoryMb.toFixed(0)} MB`];
}
