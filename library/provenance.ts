/**
 * Provenance of results: the command that repeats a run, notes on times that were measured elsewhere or
 * not at all, and `provenance.json` beside the files of a results folder.
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { buildKey, ownCommand } from "../build/version.ts";
import { hostLine } from "../cluster/worker/host-line.ts";
import {
  cutNotes,
  doubtNotes,
  FREE_MESSAGES_NOTE,
  goalNotes,
  groupNotes,
  hasFreeMessages,
  type ModelAtHand,
  originNotes,
  unknownDoubts,
} from "../results/input-notes.ts";
import { type Origin, PROVENANCE_FILE, type ProvenanceDocument } from "../results/provenance.ts";
import type { MeasuredInputs } from "../scenario/compile/compile.ts";
import { type UncertainInput, uncertainInputs } from "../scenario/compile/input-draws.ts";
import { shellWord } from "../scenario/inventory/command-words.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import { parseSetOption } from "../scenario/parse.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { Sample } from "../scenario/sweep/axes.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";
import type { Overrides, Scenario } from "./scenario.ts";

/**
 * The command that repeats a call, for results and the user's notes: `cluster up` are two words. `options` by name, as the command
 * takes them; undefined ones are left out.
 */
export function repeatCommand(
  command: string,
  scenario: string | undefined,
  options: Readonly<Record<string, unknown>>,
): string {
  const words = [
    ...ownCommand(),
    ...command.split(" "),
    ...(scenario === undefined ? [] : [scenario]),
  ];
  return [...words, ...optionWords(options)].map(shellWord).join(" ");
}

/** `{ set: ["a=1", "b=2"], yes: true }` as `--set a=1 --set b=2 --yes`. A pair of words, `sample`, follows its name. */
export function optionWords(options: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === true) return [option];
    if (name === "sample") return [option, ...(value as readonly string[])];
    return [value].flat().flatMap((one) => [option, String(one)]);
  });
}

/** The same for a call of the library. A scenario in memory has no command. */
export function commandFor(
  command: string,
  { file, overrides, document, inMemory }: Scenario,
  options: Readonly<Record<string, unknown>> = {},
): string {
  if (inMemory) return `a program's ${command}: its scenario was no file`;
  const { "run.seed": _, ...others } = overrides;
  const set = assignments(others);
  return repeatCommand(command, file, { seed: document.run.seed, set, ...options });
}

/** Overrides as options: `path=value`, where a text stands bare unless it would be read as something else. */
export function assignments(overrides: Overrides): readonly string[] {
  return Object.entries(overrides).map(([path, value]) => {
    const bare = `${path}=${value}`;
    const isText = typeof value === "string" && parseSetOption(bare)[1] === value;
    return isText ? bare : `${path}=${JSON.stringify(value)}`;
  });
}

export function simulationNotes(loaded: LoadedScenario): string[] {
  const { document, profiles } = loaded;
  return [
    ...(hasFreeMessages(document) ? [FREE_MESSAGES_NOTE] : []),
    ...cutNotes(document, loaded),
    ...goalNotes(document, loaded),
    ...groupNotes(document),
    ...doubtNotes(document, loaded),
    ...originNotes({ ...profiles, ...overheadsByPath(loaded) }, { host: hostLine() }),
  ];
}

/** `models` are those of real backends, by the path of their profile; null for replayed times. */
export function validationNotes(
  loaded: LoadedScenario,
  models: Readonly<Record<string, ModelAtHand>> | null,
  inventory: LoadedInventory | undefined,
): readonly string[] {
  const host = hostLine();
  const overheads = originNotes(overheadsByPath(loaded), { host });
  const times = originNotes(loaded.profiles, { host, ...(models === null ? {} : { models }) });
  const toBlame = models === null ? overheads : [...times, ...overheads];
  return [
    ...(models === null ? times : []),
    ...toBlame.map((note) => `${note}; errors may come from that, not from the simulator`),
    ...machineNotes(inventory),
  ];
}

/** One line: how well the inputs of the predictions are known, by the least known of them. */
export function inputDoubts(inputs: MeasuredInputs): readonly string[] {
  const [least] = uncertainInputs(inputs);
  return [
    ...(least === undefined
      ? []
      : [`of the measured inputs ${least.name} is known least, to ±${percent(least)}`]),
    ...unknownDoubts(inputs),
  ];
}

function percent({ relativeHalfWidth95 }: UncertainInput): string {
  return `${(100 * relativeHalfWidth95).toFixed(1)}%`;
}

function machineNotes(inventory: LoadedInventory | undefined): readonly string[] {
  const kind = inventory?.inventory.kind ?? "local";
  if (kind === "local") return [];
  return [
    `workers ran on machines of kind ${kind}: latencies are those of clients on this one, and each service time is of its worker's own monotonic clock, so no clocks had to agree`,
  ];
}

function overheadsByPath({ document, overheadProfile }: LoadedScenario) {
  const path = document.cluster.overheadProfile ?? "of messages";
  return overheadProfile === undefined ? {} : { [path]: overheadProfile };
}

/** A document without notes has no such field. */
export function asNotes(notes: readonly string[]): { readonly notes?: readonly string[] } {
  return notes.length === 0 ? {} : { notes };
}

/** Longer traces are left out: the folder is to stay small. */
const MOST_TRACE_NUMBERS = 200_000;
const GIT_TIMEOUT_MS = 2000;

/**
 * Notes in `directory` how its `files` were made. The scenario and its inputs are those of results.json,
 * so only a command that writes it replaces them.
 */
export function writeProvenance(
  directory: string,
  files: readonly string[],
  loaded: LoadedScenario,
  command: string,
  sample?: Sample,
): void {
  const earlier = readProvenance(directory);
  const commit = commitOf(dirname(resolve(loaded.file)));
  const origin: Origin = {
    command,
    version: buildKey().program,
    date: new Date().toISOString(),
    host: hostLine(),
    ...(commit === undefined ? {} : { commit }),
  };
  const made = Object.fromEntries(files.map((file) => [file, origin]));
  const isOfResults = files.includes("results.json");
  const about = { schema: "tandem/provenance@1", scenario: loaded.document, digest: loaded.digest };
  const document = {
    ...(isOfResults || earlier === undefined
      ? { ...about, sample, ...keptInputs(loaded) }
      : earlier),
    made: { ...earlier?.made, ...made },
  };
  writeAtomically(join(directory, PROVENANCE_FILE), `${JSON.stringify(document)}\n`);
}

/** Undefined where the folder has none, or one of another version. */
function readProvenance(directory: string): ProvenanceDocument | undefined {
  try {
    const text = readFileSync(join(directory, PROVENANCE_FILE), "utf8");
    const document = JSON.parse(text) as ProvenanceDocument;
    return document.schema === "tandem/provenance@1" ? document : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined outside a repository, and without git. */
function commitOf(folder: string): string | undefined {
  try {
    const text = execFileSync("git", ["-C", folder, "rev-parse", "HEAD"], {
      timeout: GIT_TIMEOUT_MS,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return text.toString().trim() || undefined;
  } catch {
    return undefined;
  }
}

function keptInputs(loaded: LoadedScenario) {
  const {
    profiles,
    stepProfiles,
    overheadProfile,
    traces,
    traceColumns = {},
    schedulerFiles,
    sectionFiles,
  } = loaded;
  const names = Object.keys(traces);
  const omitted = names.filter((name) => traces[name].length > MOST_TRACE_NUMBERS);
  const kept = <T>(all: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !omitted.includes(name)));
  const read = { traces: kept(traces), traceColumns: kept(traceColumns) };
  const inputs = { profiles, stepProfiles, overheadProfile, ...read, schedulerFiles, sectionFiles };
  return omitted.length === 0 ? { inputs } : { inputs, omitted };
}
