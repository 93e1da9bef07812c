/** Checks of what a validation judges. */
import type { Issue } from "../fault.ts";
import { METRICS } from "../results.ts";
import { backendOf } from "./implementation-kind.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { BackendName } from "./schema/run.ts";
import type { ScenarioDocument } from "./schema.ts";

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
  return [...issues, ...checkBackend(models, validation.backend)];
}

/** Whether the backend can run every model; empty for `replay`, which needs no implementation. */
export function checkBackend(models: ScenarioDocument["models"], backend: BackendName): Issue[] {
  if (backend === "replay") return [];
  return Object.entries(models).flatMap(([name, { implementation }]) => {
    if (implementation === undefined) {
      const message = `the ${backend} backend needs an implementation of model "${name}"`;
      return [issueAt(`models.${name}`, message, "`backend: replay` needs none")];
    }
    const own = backendOf(implementation);
    if (backend === "real" || backend === own) return [];
    const message = `backend ${backend}, but model "${name}" is run by ${own}`;
    return [issueAt(`models.${name}.implementation`, message, "`backend: real` mixes them")];
  });
}
