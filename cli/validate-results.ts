/** A validation's results: written, printed, and told by the exit code. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type ConfigurationEvidence,
  EVIDENCE_FILE,
  type EvidenceDocument,
  logFile,
} from "../calibration/evidence.ts";
import { Fault } from "../core/fault.ts";
import type { ValidationDocument, ValidationResult } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
import { plural } from "../reports/format.ts";
import { validationTable } from "../reports/text-table.ts";
import { doubts } from "../reports/validation-rows.ts";
import { writeAtomically, writeJson } from "./atomic-file.ts";
import { repeatCommand } from "./repeat-command.ts";
import { inputsOf } from "./scenario-file.ts";
import type { ValidateArguments } from "./validate.ts";

export interface Validated {
  readonly results: readonly ValidationResult[];
  readonly evidences: readonly ConfigurationEvidence[];
  /** Configurations that were to be validated. */
  readonly wanted: number;
  /** Runs of each. */
  readonly repeats: number;
  readonly interrupted: boolean;
}

export function writeLogs(out: string, configuration: number, logs: readonly string[]): void {
  for (const [run, log] of logs.entries()) {
    writeAtomically(join(out, logFile(configuration, run)), log);
  }
}

/** Writes and prints whatever has finished, then throws the fault whose exit code tells the rest. */
export function finish(args: ValidateArguments, loaded: LoadedScenario, validated: Validated) {
  const { results, evidences } = validated;
  if (results.length > 0) {
    const { document, predicted } = documentsOf(args, loaded, results);
    if (args.out !== undefined) {
      writeJson(join(args.out, "validation.json"), document);
      // The predicted side alone is a results document too, for a folder without a sweep's results.
      const file = join(args.out, "results.json");
      if (!existsSync(file)) writeJson(file, predicted);
      const evidence: EvidenceDocument = {
        schema: "tandem/evidence@1",
        ...{ inputs: inputsOf(loaded), configurations: evidences },
      };
      writeAtomically(join(args.out, EVIDENCE_FILE), JSON.stringify(evidence));
    }
    if (args.json) process.stdout.write(`${JSON.stringify(document)}\n`);
    else process.stdout.write(`${validationTable(document, process.stdout.columns ?? 120)}\n`);
    if (!args.json) process.stdout.write(notesText(results));
    if (!validated.interrupted) judgeAll(args, document, validated);
  }
  if (validated.interrupted) throw interruption(args, validated);
}

function documentsOf(
  args: ValidateArguments,
  loaded: LoadedScenario,
  configurations: readonly ValidationResult[],
) {
  const { name, run } = loaded.document;
  const slo = Object.values(loaded.document.pipelines)[0]?.slo;
  const header = {
    scenario: { name, digest: loaded.digest },
    seed: run.seed,
    command: repeatCommand("validate", { ...args, seed: run.seed, extra: optionWords(args) }),
    ...(slo === undefined ? {} : { slo }),
    ...(loaded.capacity === undefined ? {} : { capacity: loaded.capacity }),
    configurations,
  };
  const document: ValidationDocument = {
    schema: "tandem/validation@2",
    kind: "validation",
    ...header,
  };
  return { document, predicted: { schema: "tandem/results@1", ...header } };
}

/** Options that decide which runs there are and what they carry. */
function optionWords({ repeats, backend, budget, images, inputs }: ValidateArguments): string[] {
  return Object.entries({ repeats, backend, budget, images, inputs }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
}

/** Notes by the letters that the table gives the configurations. */
function notesText(results: readonly ValidationResult[]): string {
  return results
    .flatMap(({ notes = [] }, i) =>
      notes.map((note) => `${String.fromCharCode(65 + i)}: ${note}\n`),
    )
    .join("");
}

function judgeAll(
  { strict }: ValidateArguments,
  document: ValidationDocument,
  { wanted }: Validated,
): void {
  const all = document.configurations;
  const wrong = all.filter(({ verdict }) => verdict === "disagrees").length;
  if (wrong > 0) {
    const verb = wrong === 1 ? "disagrees" : "disagree";
    throw new Fault("out-of-tolerance", `${wrong} of ${plural(wanted, "configuration")} ${verb}`);
  }
  const untold = wanted - all.filter(({ verdict }) => verdict === "agrees").length;
  if (untold === 0) return;
  const unrun = wanted - all.length;
  const reasons = [
    ...doubts(document),
    ...(unrun === 0 ? [] : [`the budget was spent before ${plural(unrun, "configuration")}`]),
  ];
  const message = `${untold} of ${plural(wanted, "configuration")} cannot be judged yet`;
  if (strict) throw new Fault("out-of-tolerance", message, { hint: reasons.join("\n  ") });
  process.stderr.write(`tandem: warning: ${message}\n`);
  for (const reason of reasons) process.stderr.write(`  ${reason}\n`);
}

function interruption({ out }: ValidateArguments, validated: Validated): Fault {
  const { results, wanted, repeats } = validated;
  if (results.length === 0) {
    return new Fault("interrupted", "interrupted before any run had ended: nothing is kept");
  }
  const runs = results.reduce((sum, { measured }) => sum + measured.repeats, 0);
  const kept = out === undefined ? "are shown above" : `are kept in ${out}`;
  return new Fault(
    "interrupted",
    `interrupted after ${runs} of ${plural(wanted * repeats, "run")}, whose results ${kept}`,
  );
}
