/** Checks of the validation, of the stopping rule, and of comparisons. */
import type { Issue } from "../fault.ts";
import { METRICS, type MetricName } from "../results.ts";
import { FIRST_ROUND, type StoppingRule } from "../statistics/sequential.ts";
import { sweptPaths } from "./axes.ts";
import { backendOf } from "./implementation-kinds.ts";
import { didYouMean, issueAt, noSuch } from "./issues.ts";
import type { BackendName } from "./schema/run.ts";
import type { Parts, ScenarioDocument } from "./schema.ts";

/** Metrics have known names, and the backend can run every model. */
export function checkValidation({ validation, models }: Parts<"validation" | "models">): Issue[] {
  if (validation === undefined) return [];
  const { metrics, backend, timeScale } = validation;
  const issues = checkMetrics(Object.keys(metrics), (_, name) => `validation.metrics.${name}`);
  if (backend !== "replay" && timeScale !== 1) {
    const message = `only the replay backend can scale times, got ${timeScale}`;
    issues.push(issueAt("validation.timeScale", message));
  }
  return [...issues, ...checkBackend(models, backend)];
}

function checkMetrics(
  names: readonly string[],
  pathOf: (index: number, name: string) => string,
): Issue[] {
  return names.flatMap((name, i) =>
    METRICS.some((metric) => metric === name)
      ? []
      : [noSuch("metric", pathOf(i, name), name, METRICS)],
  );
}

/** The backend can run every model; `replay` needs no implementation. */
export function checkBackend(models: ScenarioDocument["models"], backend: BackendName): Issue[] {
  if (backend === "replay") return [];
  return Object.entries(models).flatMap(([name, { implementation }]) => {
    if (implementation === undefined) {
      const message = `the ${backend} backend needs an implementation of model "${name}"`;
      return [
        issueAt(`models.${name}`, message, "the backend replay needs none: `--backend replay`"),
      ];
    }
    const own = backendOf(implementation);
    if (backend === "real" || backend === own) return [];
    const message = `backend ${backend}, but model "${name}" is run by ${own}`;
    return [issueAt(`models.${name}.implementation`, message, "`backend: real` mixes them")];
  });
}

const DEFAULT_METRICS: readonly MetricName[] = ["latencyMeanMs", "latencyP99Ms"];
const DEFAULT_MAX_REPLICATIONS = 1000;

/** The rule that `run.until` gives; null where the number of replications is fixed. */
export function stoppingRule({ until }: ScenarioDocument["run"]): StoppingRule | null {
  if (until === undefined) return null;
  const { relativeHalfWidth, metrics, maxReplications } =
    typeof until === "object" ? until : { relativeHalfWidth: until };
  return {
    target: shareOf(relativeHalfWidth),
    metrics: (metrics ?? DEFAULT_METRICS) as readonly MetricName[],
    maxReplications: maxReplications ?? DEFAULT_MAX_REPLICATIONS,
  };
}

/** "2%" and 0.02 are the same. */
function shareOf(value: string | number): number {
  return typeof value === "number" ? value : Number(value.replace("%", "")) / 100;
}

/** The compared paths are swept. */
export function checkCompared({ run, sweep }: Parts<"run" | "sweep">): Issue[] {
  const swept = sweptPaths(sweep);
  return (run.compare?.over ?? []).flatMap((path, i) => {
    if (swept.includes(path)) return [];
    const message = `the sweep does not vary "${path}"`;
    return [issueAt(`run.compare.over.${i}`, message, didYouMean(path, swept))];
  });
}

/** The target can be met or missed, and the metrics exist. */
export function checkUntil({ run }: Parts<"run">): Issue[] {
  const compared = run.compare?.metrics ?? [];
  const issues = checkMetrics(compared, (i) => `run.compare.metrics.${i}`);
  const rule = stoppingRule(run);
  if (rule === null) return issues;
  issues.push(...checkMetrics(rule.metrics, (i) => `run.until.metrics.${i}`));
  if (!(rule.target > 0 && rule.target < 1)) {
    const message = `expected a share above 0% and below 100%, got ${rule.target * 100}%`;
    issues.push(issueAt("run.until", message, "for example `until: 2%`"));
  }
  if (rule.maxReplications < FIRST_ROUND) {
    const message = `expected at least ${FIRST_ROUND}, the first round, got ${rule.maxReplications}`;
    issues.push(issueAt("run.until.maxReplications", message));
  }
  return issues;
}
