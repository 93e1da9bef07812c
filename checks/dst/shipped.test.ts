/** Every shipped scenario that a cluster replays, in virtual time beside the simulator; the others with the reason. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import "../support/solver.test-support.ts";
import { expandSweep } from "../../scenario/expand-sweep.test-support.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { simulatedOnlyTerms } from "../../scenario/simulated-only.ts";
import { compareDecisions } from "./same-decisions.ts";

const FOLDER = join(import.meta.dirname, "../../scenarios");
const FILES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".yaml"),
);
/** Times of the demo's models, which each machine measures for itself. */
const MEASURED = join(import.meta.dirname, "../../bench/study/measured");
const REQUESTS = 180;

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
  const models = Object.entries(document.models).map(([name, { inputScaling: _, ...model }]) => {
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
  // Without a storm, some requests take longer than this; a retry at once is a second event at its instant.
  const own = workload.client;
  const client = own?.retries ? { ...own, timeoutMs: 20, backoffMs: 5 } : own;
  const short = { ...workload, client, warmupS: 0, requests: REQUESTS };
  return "durationS" in short ? { ...short, durationS: undefined } : short;
}

test.each(FILES)("%s", async (path) => {
  const file = join(FOLDER, path);
  const read = (wanted: string): string =>
    readFileSync(existsSync(wanted) ? wanted : join(MEASURED, basename(wanted)), "utf8");
  const loaded = parseScenario(read(file), file, read);
  const told = new Set<string>();
  const seen = new Set<string>();
  for (const { document, id } of expandSweep(loaded)) {
    const kind = JSON.stringify([document.scheduler, document.cluster.replicas]);
    if (seen.has(kind)) continue;
    seen.add(kind);
    const left = [...simulatedOnlyTerms(document)];
    if (Object.values(document.models).some(({ inputScaling }) => inputScaling !== undefined))
      left.push("input sizes");
    const short = deployed({
      ...document,
      workload: shortened(document.workload),
    } as typeof document);
    expect(simulatedOnlyTerms(short), id).toEqual([]);
    const { difference, same, entries } = await compareDecisions(short, loaded);
    if (difference !== null)
      expect(difference.because, `${id}: ${JSON.stringify(difference)}`).not.toBeNull();
    const until = difference === null ? "" : ` until ${difference.because} (${same} of ${entries})`;
    told.add(`compared${left.length === 0 ? "" : ` without ${left.join(", ")}`}${until}`);
  }
  console.log(`${path}: ${[...told].join("; ")}`);
});
