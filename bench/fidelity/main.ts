/**
 * `npm run study:fidelity`: how well predictions hold, in parts that run on different days and go on where they were
 * stopped. Each validation is one line of a file of results, with its date, machine and seed; none is
 * dropped but by the health rule of a validation, which the line says.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import yargs from "yargs";
import { KILLED_CASES, validateKilled } from "./killed-workers.ts";
import { renewTokenFindings, tokenSection } from "./language-models/study.ts";
import { fidelityPage } from "./page.ts";
import { ENGINE_CASES, validateEngines } from "./real-engines.ts";
import { MODEL_CASES, validateModels } from "./real-models.ts";
import { REPLAYED_CASES, validateReplayed } from "./replayed.ts";
import { seedLeftOut, seedLoadTest, seedLoadTestSection } from "./seed-load-test.ts";
import { DEMOS, type Finding, type Outcome, outcomeOf, type StudyCase } from "./study-case.ts";
import { tandem } from "./tandem-command.ts";

const PARTS = ["seed", "language", "replayed", "killed", "models", "engines", "demo"] as const;
type Part = (typeof PARTS)[number];

const { out, results, only, named, minutes, page, most } = await yargs(process.argv.slice(2))
  .scriptName("npm run study:fidelity --")
  .usage("$0 [options]\n\nMeasures how well predictions hold on this machine. Leave it quiet.")
  .options({
    out: {
      type: "string",
      default: join("out", "fidelity"),
      describe: "folder of each validation",
    },
    results: { type: "string", describe: "file of all findings; default: results.jsonl there" },
    only: { type: "string", array: true, choices: PARTS, describe: "parts; default: all" },
    named: { type: "string", array: true, describe: "validations by name, in any part" },
    minutes: { type: "number", default: 60, describe: "start nothing new after so many" },
    most: { type: "number", default: 1000, describe: "validations of a part in this call" },
    page: { type: "string", describe: "file of the page (Markdown), made of all results so far" },
  })
  .example("$0 --only replayed --minutes 30", "one part, for half an hour")
  .example("$0 --minutes 0 --page docs/fidelity.md", "no validation: the page alone")
  .strict()
  .parseAsync();

mkdirSync(out, { recursive: true });
const RESULTS = results ?? join(out, "results.jsonl");
const endMs = performance.now() + minutes * 60_000;

function findings(): Finding[] {
  if (!existsSync(RESULTS)) return [];
  return readFileSync(RESULTS, "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Finding]));
}

async function part<Case extends StudyCase>(
  name: Part,
  cases: readonly Case[],
  run: (one: Case, folder: string) => Promise<Outcome>,
): Promise<void> {
  if (only !== undefined && !only.includes(name)) return;
  const done = new Set(findings().map((one) => `${one.part}/${one.name}`));
  const open = cases
    .filter((one) => named === undefined || named.includes(one.name))
    .filter((one) => !done.has(`${name}/${one.name}`))
    .slice(0, most);
  for (const one of open) {
    if (performance.now() >= endMs) return;
    process.stderr.write(`${name}: ${one.name}\n`);
    const folder = join(out, name, one.name);
    mkdirSync(folder, { recursive: true });
    const outcome = await run(one, folder);
    const errors = Object.entries(outcome.error).map((entry) => entry.join(" "));
    process.stderr.write(`  ${outcome.verdict}: ${errors.join(", ")} in ${outcome.seconds} s\n`);
    const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} logical cores`;
    const date = new Date().toISOString();
    appendFileSync(RESULTS, `${JSON.stringify({ part: name, ...one, date, machine, outcome })}\n`);
  }
}

if (only === undefined || only.includes("language")) renewTokenFindings();
await part("replayed", REPLAYED_CASES, validateReplayed);
await part("killed", KILLED_CASES, validateKilled);
await part("models", MODEL_CASES, validateModels);
await part("engines", ENGINE_CASES, validateEngines);
await part("demo", DEMOS, async (_, folder) => {
  const startMs = performance.now();
  await tandem(["demo", "--out", folder]);
  const text = readFileSync(join(folder, "validation.json"), "utf8");
  const [validated] = JSON.parse(text).configurations;
  return outcomeOf(validated, (performance.now() - startMs) / 1000);
});

if (page !== undefined) {
  const wantsSeed = only === undefined || only.includes("seed");
  const seed = wantsSeed ? seedLoadTestSection(seedLoadTest(50), seedLeftOut()) : "";
  writeFileSync(page, fidelityPage(findings(), seed, tokenSection()));
  process.stdout.write(`${page}\n`);
}
