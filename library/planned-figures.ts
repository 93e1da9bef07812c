/** A plan and its validation in one folder: which scenario each is of, and the plan's own figures for what a validation runs. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { METRICS } from "../engine/metrics/figures.ts";
import type { ValidationDocument, ValidationResult } from "../results/validation.ts";
import type { Parameter } from "../scenario/sweep/parameter-columns.ts";
import type { PlanDocument } from "./plan-results.ts";
import type { Scenario } from "./scenario.ts";

export const PLAN_FILE = "plan.json";
export const VALIDATION_FILE = "validation.json";

type Planned = Pick<ValidationResult, "planned">;

/** The plan.json of a folder, with the digest of its plan.yaml; null where there is none that can be read. */
export function readPlan(
  directory: string,
): (PlanDocument & { readonly planned?: string | undefined }) | null {
  return readDocument(join(directory, PLAN_FILE));
}

/** Whether a folder's plans answer the same question, and one of them better: by its state, or as a cheaper one that is confirmed. */
export function isBetter(stored: PlanDocument | null, found: PlanDocument): boolean {
  const questionOf = ({ scenario, asked }: PlanDocument) =>
    JSON.stringify([scenario.digest, asked]);
  if (stored === null || questionOf(stored) !== questionOf(found)) return false;
  return stored.plans.some(({ state, best }, i) => {
    const other = found.plans[i];
    if (state !== other.state) return STATES.indexOf(state) < STATES.indexOf(other.state);
    return state === "confirmed" && (best?.cost ?? 0) < (other.best?.cost ?? 0);
  });
}

/** The best first. */
const STATES = ["confirmed", "not confirmed", "none"];

/** The digest of the scenario that a folder's validation is of. */
export function validatedScenario(directory: string): string | undefined {
  const document = readDocument<ValidationDocument>(join(directory, VALIDATION_FILE));
  return document?.scenario?.digest;
}

function readDocument<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/** By a configuration's parameters; none where the scenario is no plan's, or the plan is for a part of the load or several SLOs. */
export function plannedFigures({ file, digest }: Scenario) {
  const document = readPlan(dirname(file));
  const plans = document?.planned === digest ? document.plans : [];
  return (parameters: Readonly<Record<string, Parameter>>): Planned => {
    const entry = plans.find((one) =>
      Object.entries(one.parameters).every(([name, value]) => parameters[name] === value),
    );
    if (entry?.best == null || entry.goals.length !== 1 || entry.window !== null) return {};
    const [{ pipeline, percentile }] = entry.goals;
    const { sloAttainmentRatio, latencyMs } = entry.best.kept[pipeline];
    const latency = METRICS.find((name) => name === `latencyP${percentile}Ms`);
    const isKnown = latency !== undefined && latencyMs !== null;
    return { planned: { sloAttainmentRatio, ...(isKnown ? { [latency]: latencyMs } : {}) } };
  };
}
