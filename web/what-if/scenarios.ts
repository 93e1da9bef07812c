/** Scenarios to start from: the connected cluster's, the user's, and some of the project that need no measured files. */
import type { KeptScenario, ScenarioSource } from "../../library/browser.ts";
import type { Deployed } from "../shared/client.ts";

const TEXTS = import.meta.glob<string>(
  [
    "../../scenarios/{stock-prediction,edge-or-cloud,autoscaling,shared-gpu,node-crash}.yaml",
    "../../scenarios/{retry-storm,diurnal-day,seed-table-5.1}.yaml",
    "../../scenarios/queueing/{branch,mmc}.yaml",
  ],
  { query: "?raw", import: "default", eager: true },
);

const EXAMPLES: ReadonlyMap<string, ScenarioSource> = new Map(
  Object.entries(TEXTS).map(([path, text]) => {
    const file = path.replace(/^.*\//, "");
    return [file.replace(/\.yaml$/, ""), { file, text, files: {} }];
  }),
);
/** A pipeline of two branches that most questions suit. */
const FIRST = "edge-or-cloud";

export const OF_CLUSTER = "the cluster's scenario";

/** The cluster's first, where the page is connected to one. */
export function scenarioNames(deployed: Deployed | null): readonly string[] {
  const others = [...EXAMPLES.keys()].filter((name) => name !== FIRST).sort();
  return [...(deployed === null ? [] : [OF_CLUSTER]), FIRST, ...others];
}

/** Null for unknown names. */
export function scenarioOf(
  name: string,
  deployed: Deployed | null,
): ScenarioSource | KeptScenario | null {
  return name === OF_CLUSTER ? deployed : (EXAMPLES.get(name) ?? null);
}

/**
 * The first YAML file is the scenario; the others are known by the paths that its text names. Null
 * without files.
 */
export async function sourceOfFiles(files: readonly File[]): Promise<ScenarioSource | null> {
  const scenario = files.find(({ name }) => /\.ya?ml$/.test(name)) ?? files[0];
  if (scenario === undefined) return null;
  const text = await scenario.text();
  const named = new Set(text.match(/[\w./-]+\.\w+/g));
  const entries = files.map(async (file): Promise<readonly (readonly [string, string])[]> => {
    const own = await file.text();
    const paths = [...named].filter((path) => path.split("/").at(-1) === file.name);
    return paths.map((path) => [path, own]);
  });
  return {
    file: scenario.name,
    text,
    files: Object.fromEntries((await Promise.all(entries)).flat()),
  };
}
