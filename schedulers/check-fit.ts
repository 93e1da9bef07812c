/** Checks that a configuration's scheduler takes its system: variants, demands, names in its parameters. */
import { compileSystem, type MeasuredInputs } from "../core/compile.ts";
import { Fault, type Issue } from "../core/fault.ts";
import { haveTimes } from "../core/scenario/check-models.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { createScheduler, resolve } from "./create-scheduler.ts";
import { NO_OWN } from "./own-scheduler.ts";

/**
 * The issues for which `createScheduler` refuses the system; the document is sound otherwise. Only
 * controllers refuse, and a file's own are played. A model without times yet leaves nothing to check.
 */
export function checkFit(document: ScenarioDocument, inputs: MeasuredInputs): readonly Issue[] {
  const { scheduler } = document;
  if (typeof scheduler === "object" && scheduler.file !== undefined) return [];
  if (resolve(scheduler, NO_OWN).base.controller === "none") return [];
  if (!haveTimes(document, inputs.profiles)) return [];
  try {
    createScheduler(scheduler, compileSystem(document, inputs), "0");
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { issues, message, hint } = error;
    if (issues.length > 0) return issues;
    return [{ path: "scheduler", message, ...(hint === undefined ? {} : { hint }) }];
  }
}
