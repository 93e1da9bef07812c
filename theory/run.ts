/**
 * The long forms of the theory suite.
 *
 *   npm run theory [-- --replications N]    writes docs/theory.md
 *   npm run coverage [-- --trials N]        prints the table "How often they hold the truth" of docs/statistics.md
 *
 * Exit code 1 when a figure is three standard errors or more from theory.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCase } from "./case.ts";
import { coverageOf, differences, FIGURES, oneRun, replications } from "./interval-coverage.ts";
import { CASES, type CaseFindings, seedOf, theoryPage } from "./page.ts";

const PAGE = join("docs", "theory.md");
const REPLICATIONS = 40;
const TRIALS = 400;

const [, , form] = process.argv;
if (form === "coverage") printCoverage(option("--trials", TRIALS));
else writePage(option("--replications", REPLICATIONS));

function option(name: string, usual: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? usual : Number(process.argv[at + 1]);
}

function writePage(count: number): void {
  const all = CASES.map((theory): CaseFindings => {
    const findings = runCase(theory, seedOf(theory), count);
    const worst = Math.max(...findings.map(({ z }) => Math.abs(z)));
    process.stderr.write(`${theory.name}: |z| at most ${worst.toFixed(2)}\n`);
    return { theory, findings };
  });
  writeFileSync(PAGE, theoryPage(all, count));
  process.stdout.write(`${PAGE} is written\n`);
  for (const { theory, findings } of all) {
    for (const { figure, z } of findings) {
      if (Math.abs(z) < 3) continue;
      process.stdout.write(
        `three standard errors or more from theory: ${theory.name}: ${figure}\n`,
      );
      process.exitCode = 1;
    }
  }
}

function printCoverage(trials: number): void {
  const experiments = [
    ...[20_000, 50_000, 200_000].map(oneRun),
    ...[1000, 2000, 10_000, 20_000].map(replications),
    ...[1000, 2000, 10_000].map(differences),
  ];
  process.stdout.write("| interval | requests a run | mean | p50 | p90 | p99 |\n");
  process.stdout.write("| --- | ---: | ---: | ---: | ---: | ---: |\n");
  for (const experiment of experiments) {
    const coverage = coverageOf(experiment, trials);
    const cells = FIGURES.map((figure) => `${(100 * coverage[figure]).toFixed(1)}%`);
    const requests = experiment.requests.toLocaleString("en-US");
    process.stdout.write(`| ${[experiment.name, requests, ...cells].join(" | ")} |\n`);
  }
}
