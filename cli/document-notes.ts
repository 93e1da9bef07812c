/** Notes about all predictions of a document: what nobody measured, and what was measured elsewhere. */
import { hostLine } from "../calibration/host.ts";
import {
  FREE_MESSAGES_NOTE,
  hasFreeMessages,
  type ModelAtHand,
  originNotes,
} from "../core/input-notes.ts";
import type { OverheadProfile } from "../core/profile.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";

export function simulationNotes(loaded: LoadedScenario): string[] {
  const { document, profiles } = loaded;
  return [
    ...(hasFreeMessages(document) ? [FREE_MESSAGES_NOTE] : []),
    ...originNotes({ ...profiles, ...overheadsByPath(loaded) }, { host: hostLine() }),
  ];
}

/** `models` are those of real backends, by the path of their profile; replayed times are as they are. */
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
