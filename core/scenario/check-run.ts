/** Checks of the workload's extent and of what a validation judges. */
import type { Issue } from "../fault.ts";
import { METRICS } from "../results.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { ScenarioDocument } from "./schema.ts";

/** The workload ends: exactly one of durationS and requests (a trace may end by itself). */
export function checkWorkload(
  { workload }: Pick<ScenarioDocument, "workload">,
  traces: Readonly<Record<string, readonly number[]>>,
): Issue[] {
  if (workload.arrivals === "burst") return [];
  const issues: Issue[] = [];
  const { durationS, requests, warmupS } = workload;
  if (durationS !== undefined && requests !== undefined) {
    const message = "both `durationS` and `requests`: expected exactly one";
    issues.push(issueAt("workload.requests", message));
  }
  if (durationS === undefined && requests === undefined && workload.arrivals !== "trace") {
    const message = "no end: expected exactly one of `durationS` and `requests`";
    issues.push(issueAt("workload", message, "for example `durationS: 600`"));
  }
  if (durationS !== undefined && warmupS >= durationS) {
    const message = `expected less than durationS, ${durationS} seconds, got ${warmupS}`;
    issues.push(issueAt("workload.warmupS", message, "the warm-up is part of the duration"));
  }
  if (workload.arrivals !== "trace") return issues;
  const arrivals = traces[workload.file];
  if (arrivals === undefined) return issues;
  if (requests !== undefined && requests > arrivals.length) {
    const message = `the trace holds ${arrivals.length} arrivals, got ${requests}`;
    issues.push(issueAt("workload.requests", message));
  }
  const spanS = (arrivals.at(-1)! / 1e6) * workload.scale;
  if (durationS === undefined && warmupS > 0 && warmupS >= spanS) {
    const message = `expected less than the trace's span, ${spanS} seconds, got ${warmupS}`;
    issues.push(issueAt("workload.warmupS", message));
  }
  return issues;
}

/** Metrics have known names, and the backend can run every model. */
export function checkValidation({
  validation,
  models,
}: Pick<ScenarioDocument, "validation" | "models">): Issue[] {
  if (validation === undefined) return [];
  const issues = Object.keys(validation.metrics)
    .filter((name) => !METRICS.some((metric) => metric === name))
    .map((name) => {
      const at = `validation.metrics.${name}`;
      return issueAt(at, `no metric is called "${name}"`, didYouMean(name, METRICS));
    });
  if (validation.backend === "replay") return issues;
  if (validation.timeScale !== 1) {
    const message = `only the replay backend can scale times, got ${validation.timeScale}`;
    issues.push(issueAt("validation.timeScale", message));
  }
  for (const [name, model] of Object.entries(models)) {
    if (model.implementation !== undefined) continue;
    const message = `the onnx backend needs an implementation of model "${name}"`;
    issues.push(issueAt(`models.${name}`, message, "`backend: replay` needs none"));
  }
  return issues;
}
