/** How long the runs of a plan's trials are: pilots, brief ones, and those that know the long run. */
import { expectedSeconds, knownRequests } from "../engine/arrivals/arrival-source.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";

/** Part of a replication that a pilot takes. */
const PILOT_SHARE = 1 / 4;
const FEWEST_PILOT_REQUESTS = 200;

/** Arrivals of which a part is like the whole. */
const STATIONARY = new Set<string>(["poisson", "deterministic", "gamma", "weibull", "mmpp"]);

const BRIEF_REQUESTS = 12_000;
/** Relaxation times of a fault until chance has forgotten that the run began whole. */
const FORGOTTEN = 4;
/** Episodes of trouble that fit into a run, so that few are cut off by its ends. */
const EPISODES_A_RUN = 10;

/** The start of a run, on an empty system: a cluster that fails here fails. */
export function pilotOf(document: ScenarioDocument): ScenarioDocument {
  return shortened(withoutDetection(document), PILOT_SHARE);
}

/** So much of the scenario that its replications have a few thousand requests. */
export function brief(document: ScenarioDocument): ScenarioDocument {
  const found = withoutDetection(document);
  const requests = knownRequests(found.workload) ?? 0;
  return requests <= BRIEF_REQUESTS ? found : shortened(found, BRIEF_REQUESTS / requests);
}

/**
 * The scenario as it goes on for ever: each run starts with so long a warm-up, and lasts so long, that its random faults
 * are as frequent as in the long run.
 */
export function longRun(document: ScenarioDocument): ScenarioDocument {
  const random = document.faults?.random ?? [];
  const { workload } = document;
  if (random.length === 0 || !STATIONARY.has(workload.arrivals)) return document;
  const { warmupS, durationS, requests, ...kept } = workload as typeof workload &
    Readonly<Record<"durationS" | "requests", unknown>>;
  const relaxations = random.map(({ mtbfS, mttrS }) => (mtbfS * mttrS) / (mtbfS + mttrS));
  const givenS = warmupS === "auto" ? 0 : warmupS;
  const warmS = givenS + FORGOTTEN * Math.max(...relaxations);
  const ownS = expectedSeconds(workload) - givenS;
  const countedS = Math.max(ownS, EPISODES_A_RUN * Math.max(...random.map(({ mttrS }) => mttrS)));
  const span = { warmupS: warmS, durationS: warmS + countedS };
  return { ...document, workload: { ...kept, ...span } } as ScenarioDocument;
}

/** A warm-up that is still to be found is left out: the start of a run is too good, if anything. */
function withoutDetection(document: ScenarioDocument): ScenarioDocument {
  if (document.workload.warmupS !== "auto") return document;
  return { ...document, workload: { ...document.workload, warmupS: 0 } } as ScenarioDocument;
}

function shortened(document: ScenarioDocument, share: number): ScenarioDocument {
  const { workload } = document;
  if (!STATIONARY.has(workload.arrivals)) return document;
  const { durationS, requests } = workload as { durationS?: number; requests?: number };
  const part = Math.max(FEWEST_PILOT_REQUESTS, Math.ceil((requests ?? 0) * share));
  const span = {
    warmupS: Number(workload.warmupS) * share,
    ...(durationS === undefined ? {} : { durationS: durationS * share }),
    ...(requests === undefined ? {} : { requests: Math.min(requests, part) }),
  };
  return { ...document, workload: { ...workload, ...span } } as ScenarioDocument;
}
