/** A planned scenario as a file in a folder of its own: it names its data files from there. */
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { stringify } from "yaml";
import { isKnownLabels } from "../core/scenario/implementation-kinds.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";

const PLANNED_SCENARIO = "plan.yaml";

/** `scenarioFile`: the file that the document's paths start from. Returns the path of what it wrote. */
export function writePlannedScenario(
  document: ScenarioDocument,
  scenarioFile: string,
  directory: string,
  command: string,
): string {
  const from = resolve(dirname(scenarioFile));
  const moved = withPaths(document, (path) =>
    isAbsolute(path) ? path : relative(resolve(directory), resolve(from, path)),
  );
  const path = join(directory, PLANNED_SCENARIO);
  writeAtomically(path, `# Planned by: ${command}\n${stringify(moved, { lineWidth: 100 })}`);
  return path;
}

/** Keys of an implementation, at any depth, whose value is the path of a file. */
const FILE_KEYS: ReadonlySet<string> = new Set([
  ...["onnx", "ca", "certificate", "key", "file", "characters", "anchors", "labels"],
]);

function withPaths(document: ScenarioDocument, moved: (path: string) => string): ScenarioDocument {
  const { models, cluster, workload } = document;
  const entries = Object.entries(models).map(([name, { profile, implementation, ...model }]) => [
    name,
    {
      ...model,
      ...(profile === undefined ? {} : { profile: profilePaths(profile, moved) }),
      ...(implementation === undefined
        ? {}
        : { implementation: implementationPaths(implementation, moved) }),
    },
  ]);
  const { overheadProfile } = cluster;
  return {
    ...document,
    models: Object.fromEntries(entries),
    ...(overheadProfile === undefined
      ? {}
      : { cluster: { ...cluster, overheadProfile: moved(overheadProfile) } }),
    ...(workload.arrivals === "trace"
      ? { workload: { ...workload, file: moved(workload.file) } }
      : {}),
  };
}

function profilePaths(
  profile: string | Readonly<Record<string, string>>,
  moved: (path: string) => string,
): unknown {
  if (typeof profile === "string") return moved(profile);
  return Object.fromEntries(Object.entries(profile).map(([kind, path]) => [kind, moved(path)]));
}

function implementationPaths(value: unknown, moved: (path: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => implementationPaths(one, moved));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      FILE_KEYS.has(key) && typeof inner === "string" && !isKnownLabels(inner)
        ? moved(inner)
        : implementationPaths(inner, moved),
    ]),
  );
}
