/**
 * Prints the table "How often they hold the truth" of docs/statistics.md.
 *
 *   npm run coverage [-- --trials N]
 */
import { coverageOf, differences, FIGURES, oneRun, replications } from "./interval-coverage.ts";

const TRIALS = 400;
const at = process.argv.indexOf("--trials");
const trials = at < 0 ? TRIALS : Number(process.argv[at + 1]);

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
