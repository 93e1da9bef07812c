/** A scenario as texts that can travel: into a page, into an archive, to another machine. */
import { stringify } from "yaml";
import type { LoadedScenario } from "../core/scenario/files.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";

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

/**
 * The source of a scenario that was read, with its `--set` values in the text. Read again it has the same
 * digest; a trace becomes CSV.
 */
export function scenarioSource(kept: KeptScenario): ScenarioSource {
  const { document, file = `${document.name}.yaml` } = kept;
  const { profiles, overheadProfile, sectionFiles, schedulerFiles } = kept;
  const { overheadProfile: overheads } = document.cluster;
  const json = Object.entries({
    ...profiles,
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
function tracesOf({ document, traces = {}, traceSizes = {} }: KeptScenario) {
  const { workload } = document;
  if (workload.arrivals !== "trace" || traces[workload.file] === undefined) return {};
  const { file } = workload;
  return { [file]: traceText(workload, traces[file], traceSizes[file]) };
}

function traceText(
  { column, sizeColumn, unit = "s" }: TraceWorkload,
  arrivalsUs: readonly number[],
  sizes: readonly number[] | undefined,
): string {
  const names = sizeColumn === undefined ? [column] : [column, sizeColumn];
  const rows = arrivalsUs.map((us, i) => {
    const time = String((us / 1e6) * PER_S[unit]);
    return sizes === undefined ? time : `${time},${sizes[i]}`;
  });
  return [names.map(quoted).join(","), ...rows].join("\n");
}

function quoted(name: string): string {
  return /[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
