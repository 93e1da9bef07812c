/** `explain`: where the gaps of a validation come from. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { importTexts } from "../build/import-text.ts";
import { EVIDENCE_FILE, type EvidenceDocument, logFile } from "../calibration/evidence.ts";
import { type Explanation, explainConfiguration } from "../calibration/explain.ts";
import { Fault } from "../core/fault.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { contentOf } from "./scenario.ts";
import type { Validation } from "./validate.ts";

/**
 * Says where the gap between prediction and measurement comes from, by configuration: service, network, gateway,
 * queueing, load. `validation` is what `validate` gave, or the folder that it wrote. Throws
 * Fault("not-found") for a folder without evidence, Fault("invalid-input") for evidence that cannot be read.
 */
export async function explain(validation: string | Validation): Promise<readonly Explanation[]> {
  const { inputs, configurations } = await (typeof validation === "string"
    ? readEvidence(validation)
    : ready(validation.evidence));
  return configurations.map((one, i) => {
    const logs =
      typeof validation === "string"
        ? one.runs.map((_, run) => readLog(validation, logFile(i, run)))
        : validation.logs[i];
    return explainConfiguration(one, inputs, logs);
  });
}

async function ready(evidence: EvidenceDocument): Promise<EvidenceDocument> {
  return { ...evidence, inputs: await withOwn(evidence.inputs) };
}

/** Loads the user's schedulers from their texts. */
export async function withOwn(inputs: SimulationInputs): Promise<SimulationInputs> {
  return { ...inputs, own: await importTexts(inputs.schedulerFiles ?? {}, ownScheduler) };
}

/** The evidence in a folder of `validate`. Rejects as `explain` does. */
export async function readEvidence(directory: string): Promise<EvidenceDocument> {
  return ready(evidenceIn(directory));
}

function evidenceIn(directory: string): EvidenceDocument {
  const file = join(directory, EVIDENCE_FILE);
  if (!existsSync(file)) {
    throw new Fault("not-found", `${directory} has no ${EVIDENCE_FILE}`, {
      hint: "give the folder of `tandem validate … --out DIR`",
    });
  }
  try {
    const document = JSON.parse(readFileSync(file, "utf8")) as EvidenceDocument;
    if (document.schema === "tandem/evidence@1") return document;
  } catch (cause) {
    throw new Fault("invalid-input", `${file} is no JSON: ${(cause as Error).message}`, { cause });
  }
  throw new Fault("invalid-input", `${file} is of another version`, {
    hint: "validate again with this version",
  });
}

export function readLog(directory: string, path: string): string {
  const file = join(directory, path);
  return contentOf(file, `the run log ${file}`).toString();
}
