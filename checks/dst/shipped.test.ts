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
  const tasks = Object.values(pipelines).flatMap((pipeline) => Object.values(pipeline.tasks));
  if (tasks.some(({ tokens }) => tokens !== undefined && "from" in tokens)) return "pools apart";
  const held = Object.values(pipelines).some(({ discipline }) => discipline === "pipeline-held");
  return held ? "pipeline-held" : undefined;
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
    const terms = simulatedOnlyTerms(document).filter(
      (term) => !term.startsWith("assumed network"),
    );
    const reason = reasonAgainst(document, loaded.profiles) ?? terms[0];
    if (reason !== undefined) {
      told.add(reason);
      continue;
    }
    const workload = shortened(document.workload);
    const { network: _, gateway: __, overheadProfile: ___, ...cluster } = document.cluster;
    const short = { ...document, cluster, workload } as ScenarioDocument;
    const { difference } = await compareDecisions(short, loaded);
    if (difference !== null)
      expect(difference.because, `${id}: ${JSON.stringify(difference)}`).not.toBeNull();
    told.add(difference?.because?.startsWith("timers") === true ? difference.because : "compared");
  }
  console.log(`${path}: ${[...told].join("; ")}`);
});
