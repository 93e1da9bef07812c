/**
 * The long form of the theory suite; writes docs/theory.md.
 *
 *   npm run theory [-- --replications N]
 *
 * Exit code 1 when a figure is three standard errors or more from theory.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TheoryCase } from "./cases/case.ts";
import { type CaseFindings, FAMILIES, type FamilyFindings, seedOf, theoryPage } from "./page.ts";
import { runCase, startUpBias } from "./run-case.ts";

const PAGE = join("docs", "theory.md");
const REPLICATIONS = 40;
/** The short runs that show the start-up bias are cheap: more of them see a smaller bias. */
const SHORT_RUNS = 4;

const at = process.argv.indexOf("--replications");
const replications = at < 0 ? REPLICATIONS : Number(process.argv[at + 1]);

const families = FAMILIES.map(
  (family): FamilyFindings => ({ family, cases: family.cases.map(look) }),
);
writeFileSync(PAGE, theoryPage(families, replications));
const far = families
  .flatMap(({ cases }) => cases)
  .flatMap(({ theory, findings }) =>
    findings.filter(({ z }) => !(Math.abs(z) < 3)).map(({ figure }) => `${theory.name}: ${figure}`),
  );
process.stdout.write(`${PAGE} is written\n`);
for (const name of far)
  process.stdout.write(`three standard errors or more from theory: ${name}\n`);
process.exitCode = far.length > 0 ? 1 : 0;

function look(theory: TheoryCase): CaseFindings {
  const findings = runCase(theory, seedOf(theory), replications);
  const biases = startUpBias(theory, seedOf(theory), SHORT_RUNS * replications);
  const startUp = findings.map(({ figure, halfWidth95 }) => {
    const bias = biases?.find((found) => found.figure === figure);
    return bias === undefined ? null : bias.mean / halfWidth95;
  });
  const worst = Math.max(...findings.map(({ z }) => Math.abs(z)));
  process.stderr.write(`${theory.name}: |z| at most ${worst.toFixed(2)}\n`);
  return { theory, findings, startUp };
}
