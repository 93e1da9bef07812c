/** Every shipped scenario that a cluster replays, in virtual time beside the simulator; the others with the reason. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import "../support/solver.test-support.ts";
import { expandSweep } from "../../scenario/expand-sweep.test-support.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { simulatedOnlyTerms } from "../../scenario/simulated-only.ts";
import type { SimulationInputs } from "../../sim/replication.ts";
import { compareDecisions } from "./same-decisions.ts";

const FOLDER = join(import.meta.dirname, "../../scenarios");
const FILES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".yaml"),
);
const REQUESTS = 600;

/** Why virtual time does not play it; undefined: it does. */
function reasonAgainst(
  { workload, scheduler, pipelines, models }: ScenarioDocument,
  profiles: SimulationInputs["profiles"],
): string | undefined {
  if (typeof scheduler === "object" && "file" in scheduler) return "a scheduler of the user";
  if ((workload.client?.retries ?? 0) > 0) return "clients that try again";
  const paths = Object.values(models).flatMap(({ profile }) =>
    typeof profile === "string" ? [profile] : Object.values(profile ?? {}),
  );
  if (paths.some((one) => profiles[one] === undefined)) return "profiles of another machine";
  if (Object.values(models).some(({ inputScaling }) => inputScaling !== undefined))
    return "input sizes, which workers do not know";
  const held = Object.values(pipelines).some(({ discipline }) => discipline === "pipeline-held");
  return held ? "pipeline-held" : undefined;
}

/** As a cluster runs it: without the terms that only the simulator has. */
function deployed(document: ScenarioDocument): ScenarioDocument {
  const { network: _, gateway: __, overheadProfile: ___, ...cluster } = document.cluster;
  const nodes = cluster.nodes?.map(({ contention: _, power: __, gbps: ___, ...node }) => ({
    ...node,
    devices: Object.fromEntries(
      Object.entries(node.devices).map(([kind, device]) => {
        if (typeof device === "number") return [kind, device];
        const { sharing, power: _, ...own } = device;
        return [kind, sharing === undefined ? own : { ...own, shared: true }];
      }),
    ),
  }));
  const models = Object.entries(document.models).map(([name, model]) => {
    return [name, { ...model, loadMs: 0 }] as const;
  });
  const pipelines = Object.entries(document.pipelines).map(([name, pipeline]) => {
    const tasks = Object.entries(pipeline.tasks).map(([task, own]) => {
      const { tokens } = own;
      const continued = tokens && "from" in tokens ? { ...tokens, kvBytesPerToken: 0 } : tokens;
      return [task, { ...own, tokens: continued, edgeBytes: {}, outputBytes: 0 }] as const;
    });
    return [name, { ...pipeline, tasks: Object.fromEntries(tasks) }] as const;
  });
  return {
    ...document,
    cluster: { ...cluster, ...(nodes && { nodes }) },
    models: Object.fromEntries(models),
    pipelines: Object.fromEntries(pipelines),
    faults: undefined,
  } as ScenarioDocument;
}

function shortened(workload: ScenarioDocument["workload"]): unknown {
  if ("minQueries" in workload) return { ...workload, minQueries: 100, minDurationS: 1 };
  const short = { ...workload, warmupS: 0, requests: REQUESTS };
  return "durationS" in short ? { ...short, durationS: undefined } : short;
}

test.each(FILES)("%s", async (path) => {
  const file = join(FOLDER, path);
  const read = (wanted: string): string => readFileSync(wanted, "utf8");
  const loaded = parseScenario(read(file), file, read);
  const told = new Set<string>();
  const seen = new Set<string>();
  for (const { document, id } of expandSweep(loaded)) {
    const kind = JSON.stringify([document.scheduler, document.cluster.replicas]);
    if (seen.has(kind)) continue;
    seen.add(kind);
    const reason = reasonAgainst(document, loaded.profiles);
    if (reason !== undefined) {
      told.add(reason);
      continue;
    }
    const left = simulatedOnlyTerms(document);
    const short = deployed({
      ...document,
      workload: shortened(document.workload),
    } as typeof document);
    expect(simulatedOnlyTerms(short), id).toEqual([]);
    const { difference } = await compareDecisions(short, loaded);
    if (difference !== null)
      expect(difference.because, `${id}: ${JSON.stringify(difference)}`).not.toBeNull();
    const compared = left.length === 0 ? "compared" : `compared without ${left.join(", ")}`;
    told.add(difference?.because?.startsWith("timers") === true ? difference.because : compared);
  }
  console.log(`${path}: ${[...told].join("; ")}`);
});
