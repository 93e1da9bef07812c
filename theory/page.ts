/** All cases, and docs/theory.md with their findings. No dates and no machine: same code, same page. */

import type { Family, Finding, TheoryCase } from "./case.ts";
import { classes, patience, sharing } from "./disciplines.ts";
import { batches, losses, manyServers } from "./many-servers.ts";
import { closedNetworks, forks, networks } from "./networks.ts";
import { poissonServer, renewalArrivals } from "./single-server.ts";

export const FAMILIES: readonly Family[] = [
  poissonServer,
  renewalArrivals,
  manyServers,
  losses,
  sharing,
  classes,
  patience,
  networks,
  forks,
  closedNetworks,
  batches,
];

export const CASES: readonly TheoryCase[] = FAMILIES.flatMap(({ cases }) => cases);

/** A case's seed is its number on the page: no two cases share their chance, and none is chosen. */
export function seedOf(theory: TheoryCase): number {
  return CASES.indexOf(theory) + 1;
}

export interface CaseFindings {
  readonly theory: TheoryCase;
  readonly findings: readonly Finding[];
}

const HEAD = ["case", "figure", "exact", "simulated", "± 95%", "relative", "z", "seed"];

/** `cases` are in the order of the families. */
export function theoryPage(all: readonly CaseFindings[], replications: number): string {
  const scores = all.flatMap(({ findings }) => findings.map(({ z }) => Math.abs(z)));
  const firsts = all.map(({ findings }) => findings[0].z);
  const widths = all
    .flatMap(({ findings }) => findings.map((f) => f.halfWidth95 / Math.abs(f.exact)))
    .sort((a, b) => a - b);
  return [
    "# The simulator against theory",
    "",
    "Written by `npm run theory`; do not edit. Every case is a scenario as a user writes it, run",
    `through the public path, replications 0 to ${replications - 1} of a seed of its own: its number on this page. Seeds`,
    "are counted, never chosen, so that the cases are independent of each other.",
    "Milliseconds and requests per second, as in results.",
    "",
    "- **z**: standard errors between simulated and exact, as of a normal law (Student's t with",
    `  ${replications - 1} degrees of freedom, by equal probability). |z| ≥ 3 happens by chance once in 370 figures.`,
    `  Here: ${scores.length} figures of ${all.length} cases, the largest |z| is ${Math.max(...scores).toFixed(2)};`,
    `  the cases' first figures have a root mean square of ${rootMeanSquare(firsts).toFixed(2)}, where chance alone gives 1 ± ${(1 / Math.sqrt(2 * firsts.length)).toFixed(2)}.`,
    `- **relative**: half-width / exact; its median is ${percent(widths[widths.length >> 1])}.`,
    "",
    `\`npm run test:long\` runs the same cases with fewer replications and asks for |z| < 3, \`npm test\` one case of each family.`,
    ...FAMILIES.flatMap((family) => section(family, all)),
    "",
  ].join("\n");
}

function section({ title, source, cases }: Family, all: readonly CaseFindings[]): string[] {
  const own = all.filter(({ theory }) => cases.includes(theory));
  const rows = own.flatMap(({ theory, findings }) =>
    findings.map(({ figure, exact, mean, halfWidth95, z }) => [
      ...rowOf(theory, figure),
      number(mean),
      number(halfWidth95),
      percent(halfWidth95 / Math.abs(exact)),
      z.toFixed(2),
      `${seedOf(theory)}`,
    ]),
  );
  return ["", `## ${title}`, "", `Source: ${source}.`, "", ...table([HEAD, ...rows])];
}

/** Name, figure and exact value, as on the page. */
export function rowOf(theory: TheoryCase, figure: string): [string, string, string] {
  return [theory.name, figure, number(theory.exact[figure])];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i < 2 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head), rule, ...body.map(line)];
}

export function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** Six figures: more than any half-width here can tell apart. */
function number(value: number): string {
  return value === 0 ? "0" : value.toPrecision(6);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
