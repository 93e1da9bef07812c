/** What the simulator can do and a real run, by `validate` or `load`, cannot yet. */
import { Fault, type Issue } from "../fault.ts";
import type { LoadedScenario } from "./parse.ts";
import { issueAt, placed } from "./positions.ts";
import type { ScenarioDocument } from "./schema.ts";

/** Throws Fault("invalid-input") naming each term, with its line, that real runs of these would leave out. */
export function refuseUnreal(
  loaded: LoadedScenario,
  documents: readonly ScenarioDocument[] = [loaded.document],
): void {
  const found = new Map(documents.flatMap(unreal).map((issue) => [issue.path, issue]));
  const issues = [...found.values()].map((issue) => placed(issue, loaded.positions));
  if (issues.length === 0) return;
  const message = `${loaded.file}: ${issues.length} of its terms can only be simulated`;
  throw new Fault("invalid-input", message, { issues });
}

function unreal({ workload, models }: ScenarioDocument): Issue[] {
  const issues: Issue[] = [];
  if (workload.client !== undefined) {
    const message = "the load generator's clients wait for ever and never try again";
    issues.push(issueAt("workload.client", message, "drop `client`, or only simulate"));
  }
  for (const [name, { inputScaling }] of Object.entries(models)) {
    if (inputScaling === undefined) continue;
    const message = "workers do not know input sizes: a real run would leave them out";
    issues.push(issueAt(`models.${name}.inputScaling`, message, "drop it, or only simulate"));
  }
  return issues;
}
