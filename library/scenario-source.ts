/** A scenario as texts that can travel: into a page, into an archive, to another machine, with other values. */
import { type Document, isCollection, parseDocument, stringify } from "yaml";
import { Fault } from "../engine/basics/fault.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { setPath } from "../scenario/reading/set-path.ts";
import { csvCell } from "../scenario/reading/trace.ts";
import type { TraceColumns } from "../scenario/reading/trace-columns.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";

export interface ScenarioSource {
  /** Name of the scenario's file. */
  readonly file: string;
  readonly text: string;
  /** Texts of the files that it names, by path as written. */
  readonly files: Readonly<Record<string, string>>;
}

/** A scenario that was read, whole or as results and servers keep it: its data files may be absent. */
export type KeptScenario = Pick<LoadedScenario, "document"> &
  Partial<Omit<LoadedScenario, "document" | "digest" | "positions" | "capacity">>;

/** Throws Fault("usage") for a path, a promise or anything else that is no scenario, with `how` to get one. */
export function requireScenario(given: unknown, how: string): void {
  if (typeof given === "object" && given !== null && "document" in given) return;
  const shown = given instanceof Promise ? "a promise" : (JSON.stringify(given) ?? String(given));
  const got = shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}…` : shown;
  throw new Fault("usage", `expected a scenario that was read, got ${got}`, {
    hint: `give ${how}`,
  });
}

const MOST_SHOWN = 60;

/**
 * The source of a scenario that was read, with its `--set` values in the text. Read again it has the same
 * digest; a trace becomes CSV.
 */
export function scenarioSource(kept: KeptScenario): ScenarioSource {
  const { document, file = `${document.name}.yaml` } = kept;
  const { profiles, stepProfiles, overheadProfile, sectionFiles, schedulerFiles } = kept;
  const { overheadProfile: overheads } = document.cluster;
  const json = Object.entries({
    ...profiles,
    ...stepProfiles,
    ...sectionFiles,
    ...(overheads === undefined || overheadProfile === undefined
      ? {}
      : { [overheads]: overheadProfile }),
  });
  return {
    file: file.slice(file.lastIndexOf("/") + 1),
    text: stringify(document, { lineWidth: 100, aliasDuplicateObjects: false }),
    files: {
      ...Object.fromEntries(json.map(([path, value]) => [path, JSON.stringify(value)])),
      ...schedulerFiles,
      ...tracesOf(kept),
    },
  };
}

type TraceWorkload = Extract<ScenarioDocument["workload"], { arrivals: "trace" }>;

const PER_S = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 } as const;

/** Only of the scenario's own workload: a trace that the sweep alone names stays behind. */
function tracesOf({ document, traces = {}, traceColumns = {} }: KeptScenario) {
  const { workload } = document;
  if (workload.arrivals !== "trace" || traces[workload.file] === undefined) return {};
  const { file } = workload;
  return { [file]: traceText(workload, traces[file], traceColumns[file]) };
}

function traceText(
  { column, unit = "s" }: TraceWorkload,
  arrivalsUs: readonly number[],
  columns: TraceColumns = {},
): string {
  const names = [column, ...Object.keys(columns)];
  const rows = arrivalsUs.map((us, i) => {
    const cells = Object.values(columns).map((values) => [values[i]].flat().join(" "));
    return [String((us / 1e6) * PER_S[unit]), ...cells].join(",");
  });
  return [names.map(csvCell).join(","), ...rows].join("\n");
}

/**
 * The text of a scenario with `overrides` (values by path, as from `--set`) written into it, as YAML; an
 * undefined value removes the path. Throws Fault("invalid-input") for a text that is no YAML mapping, and
 * for a path that leads nowhere.
 */
export function scenarioText(text: string, overrides: Readonly<Record<string, unknown>>): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    throw new Fault("invalid-input", document.errors[0].message, { hint: "expected YAML" });
  }
  for (const [path, value] of Object.entries(overrides)) write(document, path, value);
  return document.toString({ lineWidth: 100 });
}

function write(document: Document, path: string, value: unknown): void {
  if (value === undefined) {
    const words = path.split(".");
    if (document.hasIn(words)) document.deleteIn(words);
    return;
  }
  const result = setPath(document.toJS() as Record<string, unknown>, path, value);
  if ("issue" in result) throw new Fault("invalid-input", result.issue.message);
  const steps = result.path;
  // Where a name has to grow into a mapping, its section is written anew.
  const isOpen = steps.every((_, i) => {
    const around = document.getIn(steps.slice(0, i), true);
    return around === undefined || isCollection(around) || i === 0;
  });
  if (isOpen) document.setIn(steps, value);
  else document.set(steps[0], result.root[steps[0] as string]);
}
