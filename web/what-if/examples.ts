/** Scenarios of the project that run without measured files, loaded when asked for. */
import type { ScenarioSource } from "../../library/browser.ts";

const TEXTS = import.meta.glob<string>(
  [
    "../../scenarios/{stock-prediction,edge-or-cloud,autoscaling,shared-gpu,node-crash}.yaml",
    "../../scenarios/{retry-storm,diurnal-day,seed-table-5.1}.yaml",
    "../../scenarios/queueing/{branch,mmc}.yaml",
  ],
  { query: "?raw", import: "default" },
);

const nameOf = (path: string): string => path.replace(/^.*\//, "").replace(/\.yaml$/, "");
const PATHS = new Map(Object.keys(TEXTS).map((path) => [nameOf(path), path]));

/** Names; the first is a pipeline of two branches that most questions suit. */
export const EXAMPLES: readonly string[] = [
  "edge-or-cloud",
  ...[...PATHS.keys()].filter((name) => name !== "edge-or-cloud").sort(),
];

/** Null where there is none of that name. */
export async function readExample(name: string): Promise<ScenarioSource | null> {
  const path = PATHS.get(name);
  const read = path === undefined ? undefined : TEXTS[path];
  if (read === undefined) return null;
  return { file: `${name}.yaml`, text: await read(), files: {} };
}
