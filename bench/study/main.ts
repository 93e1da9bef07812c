/**
 * The study of schedulers: which one for which case, and every claim rebuilt.
 *
 * A run that is stopped goes on where it was: each scenario's folder keeps its finished configurations.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import yargs from "yargs";
import type { Case, Decision, EngineCase } from "../../results/which-scheduler.ts";
import { inLanes } from "../../sweep/lanes.ts";
import { decisions } from "./advice.ts";
import { CASE_FILES, CASES, caseName, type OwnCase } from "./cases.ts";
import { CLAIMS, claimDocument, figuresOf } from "./claim.ts";
import { engineSection, engineTable } from "./engine-page.ts";
import {
  capacityPerS,
  ENGINE_CASES,
  ENGINE_FILES,
  engineCaseName,
  engineRuns,
  saturation,
} from "./engines.ts";
import {
  ablationRuns,
  bestSettings,
  type CaseResult,
  type Effort,
  FULL,
  fieldRuns,
  judgeCase,
  measured,
  searchRuns,
} from "./field.ts";
import { type ClaimFindings, type Findings, findingsOf, findingsText, rowsOf } from "./findings.ts";
import { type Played, playToKnees, type Runs } from "./knees.ts";
import { OWN_CASES, ownRuns, ownSection } from "./own-models.ts";
import { claimSection, studyPage } from "./page.ts";
import { openPlayers } from "./play.ts";

/** Of `--only`. */
const LANGUAGE_MODELS = "language-models";
const OWN_MODELS = "own-models";

const { out, threads, quick, only, stored, findings, page, table } = await yargs(
  process.argv.slice(2),
)
  .scriptName("npm run study:schedulers --")
  .usage("$0 [options]\n\nCompares all schedulers in every case, and rebuilds each claim.")
  .options({
    out: {
      type: "string",
      default: join("out", "study"),
      describe: "folder of results; a stopped study goes on there",
    },
    threads: { type: "number", default: Math.min(8, cpus().length), describe: "scenarios at once" },
    quick: {
      type: "boolean",
      default: false,
      describe: "one short claim and two cases: shows that it works, its figures mean nothing",
    },
    only: {
      type: "string",
      array: true,
      choices: [LANGUAGE_MODELS, OWN_MODELS, ...CLAIMS.map(({ name }) => name)],
      describe:
        "claims to rebuild, or the cases of language models or of models of ours, without the rest; they go to standard output, and into the findings that are stored",
    },
    stored: {
      type: "boolean",
      default: false,
      describe: "plays nothing: writes the page and the table of the stored findings",
    },
    findings: {
      type: "string",
      describe: "file of all that was found (lines of JSON); default: findings.jsonl there",
    },
    page: {
      type: "string",
      describe: "file of the page (Markdown); default: scheduler-study.md there",
    },
    table: {
      type: "string",
      describe: "file of the decision table (JSON); default: which-scheduler.json there",
    },
  })
  .example("$0", "some 12 minutes on two free cores")
  .example("$0 --only drf mesos", "two claims")
  .example(
    "$0 --findings bench/study/findings.jsonl --page docs/scheduler-study.md --table schedulers/which-scheduler.json",
    "renews the page of the repository, and the table of `tandem schedulers --for`; with --stored in a second",
  )
  .strict()
  .parseAsync();
/** The quick form shows that all of it works; its figures mean nothing. */
const effort: Effort = quick ? { plays: 1, windows: 2, loads: 3 } : FULL;
const cases = quick ? CASES.filter((_, i) => i % 20 === 0) : CASES;
const CLAIM_REPLICATIONS = 8;
const count = { played: 0, all: 0 };
const players = openPlayers(threads);

const started = performance.now();
const say = (text: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stderr.write(`study: ${text} (${seconds} s)\n`);
};

const file = findings ?? join(out, "findings.jsonl");
if (stored) renew(findingsOf(readFileSync(file, "utf8")));
else if (only === undefined) renew(await compareAll(await rebuildClaims()));
else await compareSome(only, await rebuildClaims());
await players.close();

function rebuildClaims(): Promise<readonly ClaimFindings[]> {
  const chosen = CLAIMS.filter(({ name }, i) => only?.includes(name) ?? (!quick || i === 0));
  return inLanes(chosen, threads, async (claim): Promise<ClaimFindings> => {
    const document = claimDocument(claim, quick ? 2 : CLAIM_REPLICATIONS);
    const found = await players.play(join(out, "claims", claim.name), document);
    say(`claim ${claim.name}`);
    return { claim, figures: figuresOf(claim, found) };
  });
}

/** Prints what is asked for, and puts it in its place in the findings. */
async function compareSome(names: readonly string[], claims: readonly ClaimFindings[]) {
  const before = existsSync(file) ? findingsOf(readFileSync(file, "utf8")) : null;
  const parts: string[] = [];
  let after = before;
  if (names.includes(LANGUAGE_MODELS)) {
    const engines = await compareEngines();
    parts.push("", ...engineTable(decisions(engines)), "", ...engineSection(engines));
    after = after && { ...after, engines };
  }
  if (names.includes(OWN_MODELS)) {
    if (after === null)
      throw new Error(`${file}: the advice for models of ours is of a whole study`);
    const advice = decisions(after.field);
    const own = await compareOwn(advice);
    parts.push("", ...ownSection(own, advice));
    after = { ...after, own };
  }
  process.stdout.write(`${[...parts, ...claims.flatMap(claimSection)].slice(1).join("\n")}\n`);
  if (after === null) return;
  const isSame = (a: ClaimFindings) => (b: ClaimFindings) => a.claim.name === b.claim.name;
  renew({ ...after, claims: after.claims.map((one) => claims.find(isSame(one)) ?? one) });
}

/** Writes the findings, and the page and the table as they will be made of them again. */
function renew(found: Findings): void {
  const text = findingsText(found);
  writeFileSync(file, text);
  const kept = findingsOf(text);
  const to = page ?? join(out, "scheduler-study.md");
  writeFileSync(to, studyPage(kept));
  const rows = rowsOf(kept);
  writeFileSync(
    table ?? join(out, "which-scheduler.json"),
    `${JSON.stringify([...rows.field, ...rows.engines], null, 2)}\n`,
  );
  say(`${to} is written; ${count.played} of ${count.all} runs had a say in a knee`);
}

/** Counts the runs, too. */
async function played(folder: string, runs: Runs<unknown>): Promise<Played> {
  const found = await playToKnees(folder, runs, players.play);
  count.all += found.length;
  count.played += found.filter((one) => one !== undefined).length;
  return found;
}

/** Language models, in every case. */
async function compareEngines(): Promise<readonly CaseResult<EngineCase>[]> {
  const folder = join(out, "engines");
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(ENGINE_FILES)) writeFileSync(join(folder, name), text);
  return inLanes(quick ? ENGINE_CASES.slice(0, 1) : ENGINE_CASES, threads, async (one) => {
    const name = engineCaseName(one);
    const full = await players.play(join(folder, `full-${name}`), saturation(one));
    const runs = engineRuns(one, full.map(capacityPerS));
    const found = await played(join(folder, name), runs);
    say(`case ${name}`);
    return judgeCase(one, runs, found);
  });
}

/** Models of ours, by the rows of the decision table. */
async function compareOwn(
  rows: readonly Decision<Case>[],
): Promise<readonly CaseResult<OwnCase>[]> {
  writeCaseFiles();
  return inLanes(quick ? OWN_CASES.slice(0, 1) : OWN_CASES, threads, async (one) => {
    const runs = ownRuns(one, effort, rows);
    const found = await played(join(out, "field", caseName(one)), runs);
    say(`case ${caseName(one)}`);
    return judgeCase(one, runs, found);
  });
}

function writeCaseFiles(): void {
  const field = join(out, "field");
  mkdirSync(field, { recursive: true });
  for (const [name, text] of Object.entries(CASE_FILES)) writeFileSync(join(field, name), text);
}

/** All schedulers in every case. */
async function compareAll(claims: readonly ClaimFindings[]): Promise<Findings> {
  const folder = join(out, "field");
  writeCaseFiles();
  const found = await inLanes(cases, threads, async (one) => {
    const search = searchRuns(one, effort);
    const tried = await played(join(folder, `search-${caseName(one)}`), search);
    const runs = fieldRuns(one, effort, bestSettings(search, tried));
    const kept = await played(join(folder, caseName(one)), runs);
    const without = ablationRuns(one, effort);
    const lost = await played(join(folder, `without-${caseName(one)}`), without);
    say(`case ${caseName(one)}`);
    const ablated: CaseResult = { of: one, members: measured(without, lost) };
    return { judged: judgeCase(one, runs, kept), ablated };
  });
  const field = found.map(({ judged }) => judged);
  const own = await compareOwn(decisions(field));
  const engines = await compareEngines();
  const processors = cpus();
  const machine = `${processors.length} × ${processors[0]?.model.trim() ?? "?"}, load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(", ")} at the end`;
  return {
    effort,
    machine,
    claims,
    field,
    ablated: found.map(({ ablated }) => ablated),
    own,
    engines,
  };
}
