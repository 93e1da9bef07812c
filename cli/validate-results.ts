/** Writes and prints a validation's results, and decides its exit code. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ContentsSource } from "../calibration/contents.ts";
import { EVIDENCE_FILE, logFile } from "../calibration/evidence.ts";
import { needsPilot } from "../calibration/replay-pilot.ts";
import { Fault } from "../core/fault.ts";
import type { ValidationDocument, ValidationResult } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import { repeatCommand, shellWord } from "../library/provenance.ts";
import { writeProvenance } from "../library/provenance-file.ts";
import type { Validated } from "../library/validate.ts";
import { validationDocuments } from "../library/validate-documents.ts";
import { plural } from "../reports/tables/format.ts";
import { placementLines } from "../reports/tables/result-tables.ts";
import { wrapped } from "../reports/tables/table.ts";
import { documentNotesText, validationTable } from "../reports/tables/terminal-text.ts";
import { doubts } from "../reports/tables/validation-tables.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { columns } from "./command-line.ts";
import type { ScenarioArguments } from "./scenario-file.ts";

export interface ValidateArguments extends ScenarioArguments, ContentsSource {
  readonly json: boolean;
  readonly strict?: boolean;
  readonly out?: string;
  readonly repeats?: number;
  readonly backend?: BackendName;
  readonly budget?: string;
}

export function writeLogs(out: string, configuration: number, logs: readonly string[]): void {
  for (const [run, log] of logs.entries()) {
    writeAtomically(join(out, logFile(configuration, run)), log);
  }
}

/** Writes and prints all finished results, then throws a Fault unless the exit code is 0. */
export function finish(args: ValidateArguments, loaded: LoadedScenario, validated: Validated) {
  const { results, inputs } = validated;
  if (results.length > 0) {
    const { seed } = loaded.document.run;
    const command = repeatCommand("validate", { ...args, seed, extra: optionWords(args) });
    const { document, predicted, evidence } = validationDocuments(loaded, validated, command);
    if (args.out !== undefined) {
      writeJson(join(args.out, "validation.json"), document);
      // The predicted side alone is a results document too, for a folder without a sweep's results.
      const file = join(args.out, "results.json");
      const isAlone = !existsSync(file);
      if (isAlone) writeJson(file, predicted);
      const made = ["validation.json", ...(isAlone ? ["results.json"] : [])];
      writeProvenance(args.out, made, loaded, document.command);
      writeAtomically(join(args.out, EVIDENCE_FILE), JSON.stringify(evidence));
      const { overheadProfile } = inputs;
      if (needsPilot(loaded) && overheadProfile !== undefined)
        writeJson(join(args.out, "overheads.json"), overheadProfile);
    }
    print(args, document);
    if (!validated.interrupted) {
      const { strict = false, json } = args;
      const outcome = outcomeOf(document, { wanted: validated.wanted, strict, json });
      if (outcome instanceof Fault) throw outcome;
      for (const line of outcome) process.stderr.write(`${line}\n`);
    }
  }
  if (validated.interrupted) throw interruption(args, validated);
  if (results.length === 0) {
    throw new Fault("deadline-exceeded", "the budget was spent before any run could start", {
      hint: "give more, or take a quieter machine",
    });
  }
}

function print({ json, out }: ValidateArguments, document: ValidationDocument): void {
  const width = columns();
  const lines = json
    ? [JSON.stringify(document)]
    : [
        validationTable(document, width),
        ...placementLines(document, width),
        ...documentNotesText(document, width),
        ...notesByLetter(document.configurations).map((line) => wrapped(line, width)),
        ...(out === undefined ? [] : [nextSteps(out)]),
      ];
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** Options that decide which runs there are and what they carry. */
function optionWords({ repeats, backend, budget, images, inputs }: ValidateArguments): string[] {
  return Object.entries({ repeats, backend, budget, images, inputs }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
}

function nextSteps(out: string): string {
  const folder = shellWord(out);
  const steps = `gaps: npx tandem explain ${folder} · charts: npx tandem report ${folder}`;
  return `results: ${join(out, "validation.json")} · ${steps}`;
}

/** Each note once, by the letters that the table gives the configurations. */
export function notesByLetter(results: readonly Pick<ValidationResult, "notes">[]): string[] {
  const letters = new Map<string, string[]>();
  for (const [i, { notes = [] }] of results.entries()) {
    for (const note of notes)
      letters.set(note, [...(letters.get(note) ?? []), String.fromCharCode(65 + i)]);
  }
  return [...letters].map(([note, whose]) => `${whose.join(", ")}: ${note}`);
}

/** The outcome of the command by its verdicts: a Fault, or lines of a warning, none if all agree. */
export function outcomeOf(
  document: ValidationDocument,
  { wanted, strict, json }: { wanted: number; strict: boolean; json: boolean },
): Fault | readonly string[] {
  const all = document.configurations;
  const of = plural(wanted, "configuration");
  const wrong = all.filter(({ verdict }) => verdict === "disagrees").length;
  if (wrong > 0) {
    return new Fault(
      "out-of-tolerance",
      `${wrong} of ${of} ${wrong === 1 ? "disagrees" : "disagree"}`,
    );
  }
  const untold = wanted - all.filter(({ verdict }) => verdict === "agrees").length;
  if (untold === 0) return [];
  const unrun = wanted - all.length;
  const reasons = [
    // A table has them already.
    ...(json ? doubts(document) : []),
    ...(unrun === 0 ? [] : [`the budget was spent before ${plural(unrun, "configuration")}`]),
  ];
  const message = `${untold} of ${of} cannot be judged yet`;
  return strict
    ? new Fault("out-of-tolerance", message, { hint: reasons.join("\n  ") })
    : [`tandem: warning: ${message}`, ...reasons.map((reason) => `  ${reason}`)];
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
