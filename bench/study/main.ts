/**
 * The study of schedulers: every claim rebuilt, and all schedulers on the same pipelines.
 *
 * A run that is stopped goes on where it was: each scenario's folder keeps its finished configurations.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import yargs from "yargs";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import { CLAIMS, claimDocument, figuresOf, type Sections } from "./claim.ts";
import {
  attainedAndRight,
  CELLS,
  type Effort,
  fieldScenario,
  judgeCells,
  PIPELINES,
  SHAPES,
} from "./field.ts";
import { type ClaimFindings, claimSection, studyPage } from "./page.ts";

const TANDEM = join(import.meta.dirname, "..", "..", "cli", "tandem.js");

const { out, threads, quick, only, page, reports } = await yargs(process.argv.slice(2))
  .scriptName("npm run study:schedulers --")
  .usage("$0 [options]\n\nRebuilds each claim, and compares all schedulers on the same pipelines.")
  .options({
    out: {
      type: "string",
      default: join("out", "study"),
      describe: "folder of results; a stopped study goes on there",
    },
    threads: { type: "number", default: Math.min(8, cpus().length), describe: "of simulation" },
    quick: {
      type: "boolean",
      default: false,
      describe: "one short claim and cell: shows that it works, its figures mean nothing",
    },
    only: {
      type: "string",
      array: true,
      choices: CLAIMS.map(({ name }) => name),
      describe: "claims to rebuild, without the rest; they go to standard output",
    },
    page: {
      type: "string",
      describe: "file of the page (Markdown); default: scheduler-study.md there",
    },
    reports: { type: "boolean", default: false, describe: "also a report of each scenario" },
  })
  .example("$0", "about half an hour on two cores")
  .example("$0 --only drf mesos", "two claims")
  .example("$0 --page docs/scheduler-study.md", "renews the page of the repository")
  .strict()
  .parseAsync();
/** The quick form shows that all of it works; its figures mean nothing. */
const effort: Effort = quick
  ? { durationS: 3, warmupS: 1, replications: 2 }
  : { durationS: 90, warmupS: 35, replications: 8 };
const cells = quick ? CELLS.slice(0, 1) : CELLS;

const started = performance.now();
const say = (text: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stderr.write(`study: ${text} (${seconds} s)\n`);
};

const claims: ClaimFindings[] = [];
const chosen = CLAIMS.filter(({ name }, i) => only?.includes(name) ?? (!quick || i === 0));
for (const claim of chosen) {
  const document = claimDocument(claim, effort.replications);
  const found = await runScenario(join(out, "claims", claim.name), document, threads);
  claims.push({ claim, figures: figuresOf(claim, found) });
  say(`claim ${claim.name}`);
}

if (only === undefined) await compareAll();
else process.stdout.write(`${claims.flatMap(claimSection).slice(1).join("\n")}\n`);

/** All schedulers on the same pipelines, and the page of all that was found. */
async function compareAll(): Promise<void> {
  const scenarios = PIPELINES.flatMap((pipelines) =>
    SHAPES.map((shape) => fieldScenario(pipelines, shape, effort, cells)),
  );
  const field: ReturnType<typeof judgeCells>[number][] = [];
  const right: typeof field = [];
  for (const scenario of scenarios) {
    const folder = join(out, "field", scenario.name);
    const found = await runScenario(folder, scenario.document, threads);
    field.push(...judgeCells(scenario, found));
    const hasAccuracy = found.some(({ metrics }) => metrics.accuracyMean !== undefined);
    if (hasAccuracy) right.push(...judgeCells(scenario, found, attainedAndRight));
    if (reports) await tandem(["report", folder]);
    say(`field ${scenario.name}`);
  }

  const processors = cpus();
  const machine = `${processors.length} × ${processors[0]?.model.trim() ?? "?"}, load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(", ")} at the end`;
  const text = studyPage({ claims, field, right, scenarios, effort, machine });
  mkdirSync(out, { recursive: true });
  const file = page ?? join(out, "scheduler-study.md");
  writeFileSync(file, text);
  say(`${file} is written`);
}

/**
 * Writes `<folder>/scenario.yaml` and simulates it into the folder: what its store has is kept. Rejects
 * when the command fails. The configurations are in the order of the sweep.
 */
async function runScenario(
  folder: string,
  document: Sections,
  threads: number,
): Promise<readonly ConfigurationResult[]> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "scenario.yaml");
  writeFileSync(file, stringify(document, { aliasDuplicateObjects: false }));
  await tandem(["simulate", file, "--out", folder, "--workers", `${threads}`, "--yes"]);
  const results = readFileSync(join(folder, "results.json"), "utf8");
  return (JSON.parse(results) as ResultsDocument).configurations;
}

/** Rejects with the last lines of the command's errors. */
async function tandem(args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [TANDEM, ...args], { maxBuffer: 2 ** 28 });
  } catch (error) {
    const { code, stderr } = error as { readonly code: number; readonly stderr: string };
    throw new Error(`tandem ${args.join(" ")} ended with ${code}\n${stderr.slice(-2000)}`);
  }
}
