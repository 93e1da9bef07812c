/** Refuses loads that no load generator can send, before anything starts. */
import { inDigits, LOAD_BOUNDS } from "../cluster/load/specification.ts";
import { knownRequests } from "../core/arrivals/extent.ts";
import { Fault, type Issue } from "../core/fault.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { issueAt, placed } from "../core/scenario/issues.ts";
import type { ScenarioDocument, WorkloadDocument } from "../core/scenario/schema.ts";

/**
 * Throws Fault("invalid-input") naming each value, with its line, that asks for too much. A run takes
 * `timeScale` times as long as its scenario says.
 */
export function refuseOverload(
  loaded: LoadedScenario,
  documents: readonly ScenarioDocument[] = [loaded.document],
  timeScale = 1,
): void {
  const all = documents.flatMap((document) => issuesOf(document, timeScale));
  const issues = [...new Map(all.map((issue) => [issue.path, issue])).values()];
  if (issues.length === 0) return;
  throw new Fault("invalid-input", `${loaded.file}: more than a load generator can send`, {
    issues: issues.map((issue) => placed(issue, loaded.positions)),
  });
}

function issuesOf(document: ScenarioDocument, timeScale: number): Issue[] {
  const { workload } = document;
  const issues = tooFast(peaks(workload), timeScale);
  if (issues.length > 0) return issues;
  const requests = knownRequests(document.workload) ?? 0;
  const together = workload.arrivals === "burst" || workload.arrivals === "mlperf-offline";
  const bound = together ? LOAD_BOUNDS.waiting : LOAD_BOUNDS.requests;
  if (requests <= bound) return [];
  const message = `expected at most ${inDigits(bound)} requests ${together ? "at once" : "a run"}`;
  return [issueAt(lengthOf(workload), `${message}, got ${inDigits(requests)}`, "run it in parts")];
}

/** A rate, and the path that says so. */
type Peak = readonly [path: string, ratePerS: number];

function tooFast(all: readonly Peak[], timeScale: number): Issue[] {
  const most = LOAD_BOUNDS.ratePerS * timeScale;
  const hint = "one process sends no more; share a load among generators on several machines";
  return all
    .filter(([, ratePerS]) => ratePerS > most)
    .map(([path, ratePerS]) =>
      issueAt(path, `expected at most ${inDigits(most)} a second, got ${ratePerS}`, hint),
    );
}

/** The highest rates that a workload reaches. */
function peaks(workload: WorkloadDocument): Peak[] {
  switch (workload.arrivals) {
    case "ramp":
      return workload.rates.map(({ ratePerS }, i) => [`workload.rates.${i}.ratePerS`, ratePerS]);
    case "mmpp":
      return workload.states.map(({ ratePerS }, i) => [`workload.states.${i}.ratePerS`, ratePerS]);
    case "diurnal":
      return [["workload.ratePerS", workload.ratePerS * (1 + workload.amplitude)]];
    default:
      return "ratePerS" in workload ? [["workload.ratePerS", workload.ratePerS]] : [];
  }
}

/** Where it says how many requests there are. */
function lengthOf(workload: WorkloadDocument): string {
  if ("requests" in workload && workload.requests !== undefined) return "workload.requests";
  if (!("minQueries" in workload)) return "workload.durationS";
  return workload.minQueries > LOAD_BOUNDS.requests
    ? "workload.minQueries"
    : "workload.minDurationS";
}
