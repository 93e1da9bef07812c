/**
 * Terms of a scenario that only the simulator has. Without some a real run still means something, and its
 * result says which it did without; others it refuses.
 */
import { Fault } from "../engine/basics/fault.ts";
import type { LoadedScenario } from "./reading/files.ts";
import { type Issues, issueAt, placed } from "./reading/issues.ts";
import type { ScenarioDocument } from "./schema/scenario.ts";

type Term = readonly [name: string, isIn: (document: ScenarioDocument) => boolean];

const TERMS: readonly Term[] = [
  ["device sharing", ({ cluster }) => devicesOf(cluster).some(({ sharing }) => sharing)],
  ["contention on nodes", ({ cluster }) => cluster.nodes?.some((node) => node.contention) ?? false],
  [
    "model loads and device memory",
    ({ models }) =>
      Object.values(models).some(({ loadMs, residency }) => loadMs !== 0 && residency !== "always"),
  ],
  [
    "power",
    ({ cluster }) =>
      [...(cluster.nodes ?? []), ...devicesOf(cluster)].some(({ power }) => power !== undefined),
  ],
  ["assumed network and gateway costs", hasAssumedCosts],
  [
    "distances between zones",
    ({ cluster }) => cluster.network?.zones?.some(({ rttMs }) => rttMs > 0) ?? false,
  ],
  ["shared links", ({ cluster }) => cluster.network?.links === "fair"],
  [
    "bytes of edges and results",
    ({ pipelines }) =>
      Object.values(pipelines)
        .flatMap(({ tasks }) => Object.values(tasks))
        .some(({ edgeBytes, outputBytes }) =>
          [outputBytes, ...Object.values(edgeBytes)].some((bytes) => bytes > 0),
        ),
  ],
  [
    "the way of keys and values",
    ({ pipelines }) =>
      Object.values(pipelines)
        .flatMap(({ tasks }) => Object.values(tasks))
        .some(({ tokens }) => tokens && "from" in tokens && tokens.kvBytesPerToken > 0),
  ],
  ["faults", ({ faults }) => faults !== undefined],
  ["several gateways", ({ cluster }) => (cluster.gateway?.count ?? 1) > 1],
];

/** Terms of a scenario that a real cluster leaves out, in words; empty when there are none. */
export function simulatedOnlyTerms(document: ScenarioDocument): readonly string[] {
  return TERMS.filter(([, isIn]) => isIn(document)).map(([name]) => name);
}

/** Throws Fault("invalid-input") naming each term, with its line, that real runs of these would leave out. */
export function refuseUnreal(
  loaded: LoadedScenario,
  documents: readonly ScenarioDocument[] = [loaded.document],
): void {
  const all = documents.flatMap((document) => [...unreal(document)]);
  const found = new Map(all.map((issue) => [issue.path, issue]));
  const issues = [...found.values()].map((issue) => placed(issue, loaded.positions));
  if (issues.length === 0) return;
  const message = `${loaded.file}: ${issues.length} of its terms can only be simulated`;
  throw new Fault("invalid-input", message, { issues });
}

function* unreal({ workload, models, pipelines }: ScenarioDocument): Issues {
  for (const [pipeline, { tasks }] of Object.entries(pipelines)) {
    for (const [task, { tokens, model }] of Object.entries(tasks)) {
      if (tokens === undefined || !("from" in tokens)) continue;
      const [own, next] = [tasks[tokens.from]?.model, model].map(
        (one) => models[one ?? ""]?.tokens,
      );
      if (own === undefined || next === undefined || areAlike(own, next)) continue;
      const message = "its keys and values go only between engines that are alike";
      const hint =
        "`llama` with the same `weights` and `maxSequences` for both models, or neither; a server with `external` hands none over";
      yield issueAt(`pipelines.${pipeline}.tasks.${task}.tokens.from`, message, hint);
    }
  }
  if (workload.warmupS === "auto") {
    const message = "only a simulation can find its warm-up by itself";
    yield issueAt("workload.warmupS", message, "give seconds");
  }
  for (const [name, { inputScaling }] of Object.entries(models)) {
    if (inputScaling === undefined) continue;
    const message = "workers do not know input sizes: a real run would leave them out";
    yield issueAt(`models.${name}.inputScaling`, message, "drop it, or only simulate");
  }
}

type Engine = NonNullable<ScenarioDocument["models"][string]["tokens"]>;

/** llama.cpp reads keys and values of the same weights, into a memory for as many sequences. */
function areAlike(one: Engine, other: Engine): boolean {
  if (one.external !== undefined || other.external !== undefined) return false;
  if (one.llama === undefined && other.llama === undefined) return true;
  const isSame = one.llama?.weights === other.llama?.weights;
  return isSame && one.maxSequences === other.maxSequences;
}

function devicesOf({ nodes = [] }: ScenarioDocument["cluster"]) {
  return nodes
    .flatMap(({ devices }) => Object.values(devices))
    .filter((device) => typeof device !== "number");
}

/** Costs that no profile measured: the cluster has its own. */
function hasAssumedCosts({ cluster }: ScenarioDocument): boolean {
  const { network, gateway, nodes = [], overheadProfile } = cluster;
  const bandwidths = [network?.gbps, ...nodes.map(({ gbps }) => gbps)];
  if (bandwidths.some((gbps) => gbps !== undefined)) return true;
  if (overheadProfile !== undefined) return false;
  const { rttMs = 0, clientRttMs = 0 } = network ?? {};
  const { arrivalUs = 0, dispatchUs = 0, completionUs = 0 } = gateway ?? {};
  return rttMs + clientRttMs + arrivalUs + dispatchUs + completionUs > 0;
}
