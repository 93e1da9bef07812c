/** Checks of the validation, of the stopping rule, and of comparisons. */
import { METRICS, type MetricName } from "../results.ts";
import { FIRST_ROUND, type StoppingRule } from "../statistics/sequential.ts";
import { sweptPaths } from "./axes.ts";
import { backendOf } from "./implementation-kinds.ts";
import { didYouMean, type Issues, issueAt, noSuch } from "./issues.ts";
import type { BackendName } from "./schema/run.ts";
import type { Parts, ScenarioDocument } from "./schema.ts";

/** Metrics have known names, and the backend can run every model. */
export function* checkValidation({ validation, models }: Parts<"validation" | "models">): Issues {
  if (validation === undefined) return;
  const { metrics, backend, timeScale } = validation;
  for (const name of Object.keys(metrics)) {
    if (!isMetric(name)) yield noSuch("metric", `validation.metrics.${name}`, name, METRICS);
  }
  if (backend !== "replay" && timeScale !== 1) {
    const message = `only the replay backend can scale times, got ${timeScale}`;
    yield issueAt("validation.timeScale", message);
  }
  yield* checkBackend(models, backend);
}

function isMetric(name: string): boolean {
  return METRICS.some((metric) => metric === name);
}

function* checkMetrics(path: string, names: readonly string[] = []): Issues {
  for (const [i, name] of names.entries()) {
    if (!isMetric(name)) yield noSuch("metric", `${path}.${i}`, name, METRICS);
  }
}

/** The backend can run every model; `replay` needs no implementation. */
export function* checkBackend(models: ScenarioDocument["models"], backend: BackendName): Issues {
  if (backend === "replay") return;
  for (const [name, { implementation }] of Object.entries(models)) {
    if (implementation === undefined) {
      const message = `the ${backend} backend needs an implementation of model "${name}"`;
      yield issueAt(`models.${name}`, message, "the backend replay needs none: `--backend replay`");
    } else if (backend !== "real" && backend !== backendOf(implementation)) {
      const message = `backend ${backend}, but model "${name}" is run by ${backendOf(implementation)}`;
      yield issueAt(`models.${name}.implementation`, message, "`backend: real` mixes them");
    }
  }
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
export function* checkCompared({ run, sweep }: Parts<"run" | "sweep">): Issues {
  const swept = sweptPaths(sweep);
  for (const [i, path] of (run.compare?.over ?? []).entries()) {
    if (swept.includes(path)) continue;
    const message = `the sweep does not vary "${path}"`;
    yield issueAt(`run.compare.over.${i}`, message, didYouMean(path, swept));
  }
}

/** The target can be met or missed, and the metrics exist. */
export function* checkUntil({ run }: Parts<"run">): Issues {
  yield* checkMetrics("run.compare.metrics", run.compare?.metrics);
  const rule = stoppingRule(run);
  if (rule === null) return;
  yield* checkMetrics("run.until.metrics", rule.metrics);
  if (!(rule.target > 0 && rule.target < 1)) {
    const message = `expected a share above 0% and below 100%, got ${rule.target * 100}%`;
    yield issueAt("run.until", message, "for example `until: 2%`");
  }
  if (rule.maxReplications < FIRST_ROUND) {
    const message = `expected at least ${FIRST_ROUND}, the first round, got ${rule.maxReplications}`;
    yield issueAt("run.until.maxReplications", message);
  }
}
