/** Writes `provenance.json` beside the files of a results folder. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { buildKey } from "../build/version.ts";
import { hostLine } from "../cluster/worker/host-line.ts";
import {
  type Origin,
  PROVENANCE_FILE,
  type ProvenanceDocument,
  type ProvenanceInputs,
} from "../core/provenance.ts";
import type { Sample } from "../core/scenario/axes.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";

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
  const origin = originOf(loaded.file, command);
  const made = Object.fromEntries(files.map((file) => [file, origin]));
  const isOfResults = files.includes("results.json");
  const own: Omit<ProvenanceDocument, "made"> = {
    schema: "tandem/provenance@1",
    scenario: loaded.document,
    digest: loaded.digest,
    ...(sample === undefined ? {} : { sample }),
    ...keptInputs(loaded),
  };
  const document: ProvenanceDocument = {
    ...(isOfResults || earlier === undefined ? own : earlier),
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

function originOf(scenarioFile: string, command: string): Origin {
  const commit = commitOf(dirname(resolve(scenarioFile)));
  const date = new Date().toISOString();
  return {
    ...{ command, version: buildKey().program, date, host: hostLine() },
    ...(commit === undefined ? {} : { commit }),
  };
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

function keptInputs(loaded: LoadedScenario): {
  inputs: ProvenanceInputs;
  omitted?: readonly string[];
} {
  const { profiles, overheadProfile, traces, traceSizes, schedulerFiles, sectionFiles } = loaded;
  const names = Object.keys(traces);
  const omitted = names.filter((name) => traces[name].length > MOST_TRACE_NUMBERS);
  const kept = <T>(all: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !omitted.includes(name)));
  return {
    inputs: {
      profiles,
      ...(overheadProfile === undefined ? {} : { overheadProfile }),
      traces: kept(traces),
      ...(traceSizes === undefined ? {} : { traceSizes: kept(traceSizes) }),
      ...(schedulerFiles === undefined ? {} : { schedulerFiles }),
      sectionFiles,
    },
    ...(omitted.length === 0 ? {} : { omitted }),
  };
}
