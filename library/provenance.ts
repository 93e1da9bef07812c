/**
 * Provenance of results: the command that repeats a run, and notes on times that were measured
 * elsewhere or not at all.
 */
import { hostLine } from "../calibration/host.ts";
import {
  FREE_MESSAGES_NOTE,
  hasFreeMessages,
  type ModelAtHand,
  originNotes,
} from "../core/input-notes.ts";
import type { OverheadProfile } from "../core/profile.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";

/** The exact command that repeats a run, for results and for the user's notes. */
interface RepeatOptions {
  /** None where options say it all. */
  readonly scenario?: string;
  readonly set: readonly string[];
  readonly seed: number;
  readonly extra?: readonly string[];
}

export function repeatCommand(command: string, options: RepeatOptions): string {
  const parts = ["npx", "tandem", command];
  if (options.scenario !== undefined) parts.push(options.scenario);
  parts.push("--seed", String(options.seed));
  for (const override of options.set) parts.push("--set", override);
  parts.push(...(options.extra ?? []));
  return parts.map(shellWord).join(" ");
}

/** As a shell takes it for one word. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function simulationNotes(loaded: LoadedScenario): string[] {
  const { document, profiles } = loaded;
  return [
    ...(hasFreeMessages(document) ? [FREE_MESSAGES_NOTE] : []),
    ...originNotes({ ...profiles, ...overheadsByPath(loaded) }, { host: hostLine() }),
  ];
}

/** `models` are those of real backends, by the path of their profile; null for replayed times. */
export function validationNotes(
  loaded: LoadedScenario,
  models: Readonly<Record<string, ModelAtHand>> | null,
): string[] {
  const host = hostLine();
  const overheads = originNotes(overheadsByPath(loaded), { host });
  const times = originNotes(loaded.profiles, { host, ...(models === null ? {} : { models }) });
  const toBlame = models === null ? overheads : [...times, ...overheads];
  return [
    ...(models === null ? times : []),
    ...toBlame.map((note) => `${note}; errors may come from that, not from the simulator`),
  ];
}

function overheadsByPath({
  document,
  overheadProfile,
}: LoadedScenario): Readonly<Record<string, OverheadProfile>> {
  return overheadProfile === undefined
    ? {}
    : { [document.cluster.overheadProfile ?? "of messages"]: overheadProfile };
}

/** A document without notes has no such field. */
export function asNotes(notes: readonly string[]): { readonly notes?: readonly string[] } {
  return notes.length === 0 ? {} : { notes };
}
