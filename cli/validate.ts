/** `tandem validate`: chosen configurations simulated and run for real, compared and judged. */
import { join } from "node:path";
import { Fault } from "../engine/basics/fault.ts";
import {
  repeatCommand,
  type Validation,
  type ValidationDocument,
  type ValidationStart,
  validate as validated,
} from "../library/index.ts";
import { formatNumber, metricLabel, plural, wrapped } from "../reports/tables/format.ts";
import { placementLines } from "../reports/tables/result-tables.ts";
import { documentNotesText, validationTable } from "../reports/tables/terminal-text.ts";
import { doubts, letterOf } from "../reports/tables/validation-tables.ts";
import { columns, print } from "./command-line.ts";
import { untilInterrupted } from "./failure.ts";
import type { Arguments, SCENARIO, VALIDATE_COMMAND } from "./options.ts";
import { duration, progress } from "./progress.ts";
import { loadScenario } from "./scenario-file.ts";

type ValidateArguments = Arguments<typeof SCENARIO, typeof VALIDATE_COMMAND>;

/** Throws a Fault unless the exit code is 0, after everything that has ended is written and printed. */
export async function validate(args: ValidateArguments): Promise<void> {
  const { directory: out, json, strict } = args;
  const loaded = await loadScenario(args);
  const show = validationProgress();
  const validation = await untilInterrupted(
    (signal) => validated(loaded, { ...args, ...show, signal }).finally(show.stop),
    () => " before any run had ended: nothing is kept",
  );
  const { document, interrupted, wanted } = validation;
  print(json, document, tablesText(document, out));
  if (interrupted) throw interruption(validation, out);
  const outcome = outcomeOf(document, { wanted, strict, json });
  if (outcome instanceof Fault) throw outcome;
  for (const line of outcome) process.stderr.write(`${line}\n`);
}

function validationProgress() {
  const { onProgress, say: onNote, stop } = progress("validate, seconds");
  const onStart = (start: ValidationStart): void => {
    process.stderr.write(announcement(start));
    onProgress({ done: 0, total: Math.ceil(start.seconds) });
  };
  return { onStart, onProgress, onNote, stop };
}

/** "validate: 2 configurations × 3 runs of 60 s on replay: about 7 min with start-up; …" */
function announcement(start: ValidationStart): string {
  const { configurations, backend, repeats, runS, share, seconds, tolerances } = start;
  const [least, most] = runS;
  const span = least === most ? `${most} s` : `${least} to ${most} s`;
  const judged = Object.entries(tolerances).map(
    ([name, tolerance]) => `${metricLabel(name).text} to ±${formatNumber(100 * tolerance)}%`,
  );
  const measured = `runs measure ${formatNumber(100 * share)}% of the scenario's window`;
  const lines = [
    `validate: ${plural(configurations, "configuration")} × ${repeats} runs of ${span} on ${backend}: about ${duration(seconds)} with start-up`,
    `  first a look at this host; then each runs on a cluster of its own and is judged by ${judged.join(", ")}`,
    ...(share === 1 ? [] : [`  to fit the budget, ${measured}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function tablesText(document: ValidationDocument, out: string | undefined): string {
  const width = columns();
  return [
    validationTable(document, width),
    ...placementLines(document, width),
    ...documentNotesText(document, width),
    ...notesByLetter(document.configurations).map((line) => wrapped(line, width)),
    ...(out === undefined ? [] : [nextSteps(out)]),
  ].join("\n");
}

function nextSteps(out: string): string {
  const [gaps, charts] = ["explain", "report"].map((name) => repeatCommand(name, out, {}));
  const steps = `gaps: ${gaps} · charts: ${charts}`;
  return `results: ${join(out, "validation.json")} · ${steps}`;
}

/** Each note once, by the letters that the table gives the configurations. */
export function notesByLetter(
  results: readonly Pick<ValidationDocument["configurations"][number], "notes">[],
): string[] {
  const letters = new Map<string, string[]>();
  for (const [i, { notes = [] }] of results.entries()) {
    for (const note of notes) letters.set(note, [...(letters.get(note) ?? []), letterOf(i)]);
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
    const message = `${wrong} of ${of} ${wrong === 1 ? "disagrees" : "disagree"}`;
    return new Fault("out-of-tolerance", message);
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

function interruption({ document, wanted, repeats }: Validation, out: string | undefined): Fault {
  const runs = document.configurations.reduce((sum, { measured }) => sum + measured.repeats, 0);
  const kept = out === undefined ? "are shown above" : `are kept in ${out}`;
  const all = plural(wanted * repeats, "run");
  return new Fault("interrupted", `interrupted after ${runs} of ${all}, whose results ${kept}`);
}
