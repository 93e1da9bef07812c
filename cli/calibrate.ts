/**
 * Commands that write profiles: `tandem calibrate` measures on this machine, or on those of an inventory, for a scenario;
 * `tandem import` takes times that another tool measured.
 */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { Fault } from "../engine/basics/fault.ts";
import {
  type Calibration,
  calibrateSteps,
  checkCalibration,
  type ImportOptions,
  importTimes as imported,
  calibrate as measured,
  type Scenario,
} from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { print } from "./command-line.ts";
import type { Arguments, CALIBRATE_COMMAND, IMPORT_COMMAND, SCENARIO } from "./options.ts";
import { watched } from "./progress.ts";
import { loadScenario } from "./scenario-file.ts";

type CalibrateArguments = Arguments<typeof SCENARIO, typeof CALIBRATE_COMMAND>;

export async function calibrateOrCheck(args: CalibrateArguments): Promise<void> {
  if (args.check) return checkStored(args);
  const loaded = await loadScenario(args, { requireTimes: false });
  const models = Object.values(loaded.document.models);
  const hasWriters = models.some(({ tokens }) => (tokens?.llama ?? tokens?.external) !== undefined);
  if (hasWriters) await stepTimes(args, loaded);
  const hasOthers = models.some(({ implementation }) => implementation !== undefined);
  if (hasOthers || !hasWriters) await calibrate(args);
}

/** The iterations of language models, for the scenario to take. */
async function stepTimes(args: CalibrateArguments, loaded: Scenario): Promise<void> {
  const onNote = (step: string): void => void process.stderr.write(`calibrate: ${step}\n`);
  const found = await calibrateSteps(loaded, { ...args, onNote });
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  const written: string[] = [];
  const lines = Object.entries(found).flatMap(([name, { doubts, profile, ...errors }]) => {
    const { medianError, worstError } = errors;
    warnOf(doubts.map((doubt) => `${name}: ${doubt}`));
    const { steps } = loaded.document.models[name].tokens ?? {};
    const own = typeof steps === "string" ? steps : `profiles/${name}-steps.json`;
    const path = resolve(dirname(loaded.file), own);
    writeJson(path, profile);
    written.push(path);
    const hint = typeof steps === "string" ? "" : `; name it: models.${name}.tokens.steps: ${own}`;
    const { stepMs = 0, sequenceMs = 0 } = "layers" in profile.times ? {} : profile.times;
    return [
      `${name}: fitted times lie ${percent(medianError)} from the measured ones in the median, ${percent(worstError)} at worst`,
      `${name}: an iteration takes its engine ${stepMs.toFixed(2)} ms besides, and ${sequenceMs.toFixed(2)} ms for each sequence`,
      `wrote ${path}${hint}`,
    ];
  });
  const document = { schema: "tandem/step-calibration@1", written, models: found };
  print(args.json, document, lines.join("\n"));
}

/** Throws Fault("out-of-tolerance") where a profile is stale. */
async function checkStored(args: CalibrateArguments): Promise<void> {
  const loaded = await loadScenario(args);
  const onNote = (step: string): void => void process.stderr.write(`check: ${step}\n`);
  const found = await watched("seconds of rounds", (watch) =>
    checkCalibration(loaded, { ...args, ...watch, onNote }),
  );
  const text = found.map(({ model, state, reason }) => `${model}: ${state}, ${reason}`).join("\n");
  print(args.json, { schema: "tandem/calibration-check@1", profiles: found }, text);
  const stale = found.filter(({ state }) => state === "stale").map(({ model }) => model);
  if (stale.length > 0) {
    throw new Fault("out-of-tolerance", `stale: ${stale.join(", ")}`, {
      hint: "run the command again without --check: it measures them anew",
    });
  }
}

export async function calibrate(args: CalibrateArguments): Promise<Calibration> {
  const loaded = await loadScenario(args, { requireTimes: false });
  const onNote = (step: string): void => void process.stderr.write(`calibrate: ${step}\n`);
  const calibration = await watched("seconds of rounds", (watch) =>
    measured(loaded, { ...args, ...watch, onNote }),
  );
  const written = writeProfiles(loaded, calibration);
  const document = { schema: "tandem/calibration@1", written, ...calibration };
  print(args.json, document, calibrationText(loaded, calibration, written));
  const { doubts, wantedS, figures } = calibration;
  if (wantedS !== null) {
    const [{ name, relativeHalfWidth95 }] = figures;
    const width = `${(100 * relativeHalfWidth95).toFixed(1)}%`;
    process.stderr.write(
      `tandem: warning: ${name} is known to ±${width}; the wanted precision takes about --max-seconds ${wantedS}\n`,
    );
  }
  warnOf(doubts);
  return calibration;
}

function warnOf(doubts: readonly string[]): void {
  if (doubts.length === 0) return;
  process.stderr.write(
    `tandem: warning: the times may not hold: ${doubts.join("; ")}\n  calibrate again on a quiet machine, or longer: --max-seconds\n`,
  );
}

/** Where each model's profile goes, by model and kind of device. */
function profilePaths(loaded: Scenario): Paths {
  const paths: Record<string, Readonly<Record<string, string>>> = {};
  for (const [name, model] of Object.entries(loaded.document.models)) {
    if (model.implementation === undefined) continue;
    const { profile = `profiles/${name}.json` } = model;
    const written = typeof profile === "string" ? { [ANY]: profile } : profile;
    const entries = Object.entries(written);
    paths[name] = Object.fromEntries(
      entries.map(([device, path]) => [device, resolve(dirname(loaded.file), path)]),
    );
  }
  return paths;
}

/** In place of a kind of device: one profile for all. */
const ANY = "";

type Paths = Readonly<Record<string, Readonly<Record<string, string>>>>;

function writeProfiles(
  loaded: Scenario,
  { profiles, deviceProfiles, overheadProfile }: Calibration,
): string[] {
  const written: string[] = [];
  for (const [name, byDevice] of Object.entries(profilePaths(loaded))) {
    for (const [device, path] of Object.entries(byDevice)) {
      // This machine stands for every kind of device.
      writeJson(path, deviceProfiles?.[name]?.[device] ?? profiles[name]);
      written.push(path);
    }
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
  loaded: Scenario,
  { profiles, deviceProfiles, overheadProfile, branchShares, figures }: Calibration,
  written: readonly string[],
): string {
  const lines =
    deviceProfiles === undefined
      ? Object.entries(profiles).flatMap(([name, profile]) => profileLines(name, profile, figures))
      : Object.entries(deviceProfiles).flatMap(([name, byDevice]) =>
          Object.entries(byDevice).flatMap(([device, profile]) => [
            ...profileLines(`${name} on ${device}`, profile, figures),
            `  measured on ${profile.provenance.device}; ${profile.provenance.host}`,
          ]),
        );
  const { clientRoundTripUs, workerRoundTripUs, gateway, contention } = overheadProfile;
  const ms = (us: number): string => (us / 1000).toFixed(2);
  const median = (values: readonly number[]): number => values[Math.floor(values.length / 2)];
  lines.push(
    `round trips, median: client ${ms(median(clientRoundTripUs))} ms, worker ${ms(median(workerRoundTripUs))} ms`,
    `gateway, CPU time: arrival ${ms(gateway.arrivalUs)} ms, dispatch ${ms(gateway.dispatchUs)} ms, completion ${ms(gateway.completionUs)} ms`,
    `slow-down with 1, 2, … busy replicas: ${contention.map((factor) => factor.toFixed(2)).join(", ")}`,
  );
  for (const [node, { rttUs, gbps }] of Object.entries(overheadProfile.links ?? {})) {
    lines.push(`link to ${node}: round trip ${ms(median(rttUs))} ms, ${gbps} Gbit/s for 4 MiB`);
  }
  for (const [branch, share] of Object.entries(branchShares)) {
    const [pipeline, task] = branch.split("/");
    const assumed = loaded.document.pipelines[pipeline].tasks[task].when?.probability;
    lines.push(
      `${branch}: ran for ${(100 * share).toFixed(1)}% (the scenario says ${100 * (assumed ?? 1)}%)`,
    );
  }
  return [...lines, ...written.map((path) => `wrote ${path}`)].join("\n");
}

function profileLines(
  name: string,
  { batches, load }: Calibration["profiles"][string],
  figures: Calibration["figures"],
): string[] {
  const times = batches.map(({ batch, meanUs, samples }) => {
    const key = `${name}, batch ${batch}`;
    const found = figures.find((figure) => figure.name === key);
    const { meanUs: inPlaceUs = meanUs, relativeHalfWidth95 = Number.NaN } = found ?? {};
    const half = Number.isFinite(relativeHalfWidth95)
      ? ` ± ${((inPlaceUs * relativeHalfWidth95) / 1000).toFixed(2)} ms`
      : " ms, ± not known";
    const alone = `alone ${(meanUs / 1000).toFixed(2)} ms, ${plural(samples, "call")}`;
    return `${key}: ${(inPlaceUs / 1000).toFixed(2)}${half} in the pipeline (${alone})`;
  });
  if (load === undefined) return times;
  return [...times, `${name}, load: ${load.ms.toFixed(0)} ms, ${load.memoryMb.toFixed(0)} MB`];
}

type CsvColumns = NonNullable<ImportOptions["csv"]>;

type ImportArguments = Arguments<{ file: z.ZodString }, typeof IMPORT_COMMAND>;

export async function importTimes(args: ImportArguments): Promise<void> {
  const { file, json, out } = args;
  const { profile, format, notes } = await imported(file, { ...args, csv: csvColumns(args) });
  const text = "times" in profile ? JSON.stringify(profile) : JSON.stringify(profile, null, 2);
  if (out !== undefined) writeAtomically(out, `${text}\n`);
  if (json || out === undefined) {
    process.stdout.write(`${text}\n`);
    return;
  }
  const key = "times" in profile ? `tokens: { steps: ${out} }` : `profile: ${out}`;
  const lines = [
    `${profile.provenance.model} on ${profile.provenance.device}, from ${format}`,
    "times" in profile ? stepsText(profile) : batchesText(profile),
    ...notes.map((note) => `note: ${note}`),
    `wrote ${out}; name it in the scenario: models: { NAME: { ${key} } }`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

type Imported = Awaited<ReturnType<typeof imported>>["profile"];

function batchesText({ batches }: Extract<Imported, { batches: unknown }>): string {
  const sizes = batches.map(({ batch }) => batch);
  const [{ meanUs }] = batches;
  const range =
    sizes.length > 8
      ? `${sizes[0]} to ${sizes[sizes.length - 1]} (${sizes.length})`
      : sizes.join(", ");
  return `batch sizes ${range}; batch ${sizes[0]} takes ${(meanUs / 1000).toPrecision(4)} ms`;
}

function stepsText({ times }: Extract<Imported, { times: unknown }>): string {
  if (!("layers" in times))
    return `a token of one sequence takes ${times.decode[0].toPrecision(4)} ms and more`;
  const { layers, layerUs, attentionUs } = times;
  return `${layers} layers, ${layerUs.length} sizes of iterations, ${attentionUs.length} of attention`;
}

/** `time=latency,batch=size`. */
function csvColumns({ columns, unit }: ImportArguments): CsvColumns | undefined {
  if (columns === undefined) return undefined;
  const entries = columns.split(",").map((entry) => entry.split("="));
  const wrong = entries.find(
    ([key, value]) => !["time", "batch", "deviation"].includes(key) || !value,
  );
  const { time, batch, deviation } = Object.fromEntries(entries) as Record<string, string>;
  if (wrong !== undefined || time === undefined) {
    const hint = "time=COLUMN, and perhaps batch=COLUMN and deviation=COLUMN, with commas between";
    throw new Fault("usage", `--columns: cannot read "${columns}"`, { hint });
  }
  if (unit === undefined) {
    throw new Fault("usage", "--columns needs the unit of its times", {
      hint: "add --unit s, ms, us or ns",
    });
  }
  return { time, unit, batch, deviation };
}
