/** Scenarios to start from: the connected cluster's, and some of the project that need no measured files. */
import type { KeptScenario, ScenarioSource } from "../../library/browser.ts";
import type { Deployed } from "../shared/api.ts";

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
