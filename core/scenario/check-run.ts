/** Checks of what a validation judges. */
import type { Issue } from "../fault.ts";
import { METRICS } from "../results.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
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
  for (const [name, model] of Object.entries(models)) {
    if (model.implementation !== undefined) continue;
    const message = `the onnx backend needs an implementation of model "${name}"`;
    issues.push(issueAt(`models.${name}`, message, "`backend: replay` needs none"));
  }
  return issues;
}
