/** The documents of a validation: judged results, the predicted side alone, evidence for `explain`. */
import type { EvidenceDocument } from "../calibration/evidence.ts";
import type { ResultsDocument, ValidationDocument } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { parameterKinds } from "../core/scenario/parameter-columns.ts";
import { goalsShown } from "../core/slo.ts";
import { asNotes } from "./provenance.ts";
import type { Validated } from "./validate.ts";

export interface ValidationDocuments {
  readonly document: ValidationDocument;
  /** The predicted side alone is a results document too, for a folder without a sweep's results. */
  readonly predicted: ResultsDocument;
  readonly evidence: EvidenceDocument;
}

/** `command` repeats the validation. */
export function validationDocuments(
  loaded: LoadedScenario,
  { results: configurations, evidences, inputs, notes }: Validated,
  command: string,
): ValidationDocuments {
  const { name, run } = loaded.document;
  const header = {
    scenario: { name, digest: loaded.digest },
    seed: run.seed,
    command,
    ...goalsShown(loaded.document),
    parameterKinds: parameterKinds(loaded.document),
    ...(loaded.capacity === undefined ? {} : { capacity: loaded.capacity }),
    ...asNotes(notes),
    configurations,
  };
  return {
    document: { schema: "tandem/validation@2", kind: "validation", ...header },
    predicted: { schema: "tandem/results@1", ...header },
    evidence: {
      schema: "tandem/evidence@1",
      // Their texts stay, from which `explain` loads them.
      ...{ inputs: { ...inputs, own: undefined }, configurations: evidences },
    },
  };
}
