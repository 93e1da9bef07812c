/** `validate`: chosen configurations simulated and run for real, compared and judged. */
import { join } from "node:path";
import type { ContentsSource } from "../calibration/contents.ts";
import { EVIDENCE_FILE, logFile } from "../calibration/evidence.ts";
import { Fault } from "../core/fault.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { refuseInProgram } from "./program-scheduler.ts";
import { writeProvenance } from "./provenance-file.ts";
import { commandFor } from "./repeat.ts";
import type { Scenario } from "./scenario.ts";
import { planValidation, runValidation, type ValidationRuns } from "./validate.ts";
import { type ValidationDocuments, validationDocuments } from "./validate-documents.ts";
import type { Watch } from "./watch.ts";

export interface ValidateOptions extends Watch, ValidationRuns, ContentsSource {
  /** Folder for validation.json, results.json and the evidence. Default: none. */
  readonly directory?: string;
  /** Reject with Fault("unhealthy") where the host is not fit to be measured on. */
  readonly strict?: boolean;
}

export interface Validation extends ValidationDocuments {
  /** Decision logs of the real runs that count, by configuration and run. */
  readonly logs: readonly (readonly string[])[];
}

/**
 * Progress counts seconds. Throws Fault("invalid-input") or Fault("usage") before anything starts,
 * Fault("deadline-exceeded") where the budget is too short for one run.
 */
export async function validate(
  loaded: Scenario,
  options: ValidateOptions = {},
): Promise<Validation> {
  const { directory, strict, signal, onNote, onProgress } = options;
  const { backend, repeats, budgetS, images, inputs } = options;
  refuseInProgram(loaded, "real runs have a gateway in a process of its own");
  const course = planValidation(loaded, { backend, repeats, budgetS });
  const total = Math.ceil(course.beforeS + course.effort.seconds);
  const logs: (readonly string[])[] = [];
  const validated = await runValidation(course, options, {
    ...{ strict, signal },
    ...(onNote === undefined ? {} : { onNote }),
    onSeconds: (done) => onProgress?.({ done, total }),
    onLogs: (_, own) => logs.push(own),
  });
  signal?.throwIfAborted();
  if (validated.results.length === 0) {
    throw new Fault("deadline-exceeded", "the budget was spent before any run could start", {
      hint: "give more, or take a quieter machine",
    });
  }
  const budget = budgetS === undefined ? undefined : `${budgetS}s`;
  const command = commandFor("validate", loaded, { repeats, backend, budget, images, inputs });
  const documents = validationDocuments(loaded, validated, command);
  if (directory !== undefined) {
    writeJson(join(directory, "validation.json"), documents.document);
    writeJson(join(directory, "results.json"), documents.predicted);
    writeProvenance(directory, ["validation.json", "results.json"], loaded, command);
    writeAtomically(join(directory, EVIDENCE_FILE), JSON.stringify(documents.evidence));
    for (const [i, own] of logs.entries()) {
      for (const [run, log] of own.entries())
        writeAtomically(join(directory, logFile(i, run)), log);
    }
  }
  return { ...documents, logs };
}
