/** How long the runs of a plan's trials are: pilots, brief ones, and those that know the long run. */
import { expectedSeconds, knownRequests } from "../engine/arrivals/arrival-source.ts";
import type { SpannedWorkload, Workload } from "../engine/arrivals/workload.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";

/** Part of a replication that a pilot takes. */
const PILOT_SHARE = 1 / 4;
const FEWEST_PILOT_REQUESTS = 200;

/** Arrivals of which a part is like the whole. */
const STATIONARY = new Set<string>(["poisson", "deterministic", "gamma", "weibull", "mmpp"]);

const BRIEF_REQUESTS = 12_000;
/** Relaxation times of faults and queues until chance has forgotten that the run began whole and empty. */
const FORGOTTEN = 4;
/** Episodes of trouble that fit into a run, so that few are cut off by its ends: repairs, and relaxation times of queues. */
const EPISODES_A_RUN = 10;
/** Part of a run by which its start may be too good. */
const START = 0.02;

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
  const { warmupS } = workload as SpannedWorkload;
  const relaxations = random.map(({ mtbfS, mttrS }) => (mtbfS * mttrS) / (mtbfS + mttrS));
  const givenS = warmupS === "auto" ? 0 : warmupS;
  const warmS = givenS + FORGOTTEN * Math.max(...relaxations);
  const ownS = expectedSeconds(workload) - givenS;
  const countedS = Math.max(ownS, EPISODES_A_RUN * Math.max(...random.map(({ mttrS }) => mttrS)));
  return spanning(document, warmS, countedS);
}

/** Whether its runs know queues with this relaxation time as they are in the long run. */
export function isSettled({ workload }: ScenarioDocument, queueS: number): boolean {
  if (queueS === 0) return true;
  const { warmS, countedS } = partsOf(workload);
  const startS = queueS * Math.exp(-warmS / queueS);
  return countedS >= EPISODES_A_RUN * queueS && startS <= START * countedS;
}

/** The scenario, with longer runs where it is not settled. */
export function settled(document: ScenarioDocument, queueS: number): ScenarioDocument {
  if (!STATIONARY.has(document.workload.arrivals) || isSettled(document, queueS)) return document;
  const { warmS, countedS } = partsOf(document.workload);
  const longerS = Math.max(countedS, EPISODES_A_RUN * queueS);
  return spanning(document, Math.max(warmS, FORGOTTEN * queueS), longerS);
}

function partsOf(workload: Workload) {
  const warmS = "warmupS" in workload ? Number(workload.warmupS) || 0 : 0;
  return { warmS, countedS: expectedSeconds(workload) - warmS };
}

function spanning(document: ScenarioDocument, warmupS: number, countedS: number): ScenarioDocument {
  const { durationS, requests, ...kept } = document.workload as typeof document.workload &
    Readonly<Record<"durationS" | "requests", unknown>>;
  const workload = { ...kept, warmupS, durationS: warmupS + countedS };
  return { ...document, workload } as ScenarioDocument;
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
