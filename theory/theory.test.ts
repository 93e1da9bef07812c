/**
 * Replications of a seed of its own: in the quick form eight of a case of each family, in the long one
 * twenty of each case. `npm run theory` runs more and writes docs/theory.md.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { normalScore, runCase } from "./case.ts";
import { FAMILIES, rootMeanSquare, rowOf, seedOf } from "./page.ts";

const REPLICATIONS = IS_LONG ? 20 : 8;
/** A wide interval would hide a wrong mean. */
const WIDEST = IS_LONG ? 0.04 : 0.06;

/** Every second family in the quick form; their figures in docs/theory.md are of all. */
const families = FAMILIES.filter((_, i) => IS_LONG || i % 2 === 0);

describe.each(families)("$title", ({ cases }) => {
  test.each(IS_LONG ? cases : cases.slice(0, 1))("$name", (theory) => {
    const findings = runCase(theory, seedOf(theory), REPLICATIONS);
    for (const { figure, exact, mean, halfWidth95, z } of findings) {
      const said = `${figure}: ${mean} ± ${halfWidth95} for ${exact}, z = ${z}`;
      expect(Math.abs(z), said).toBeLessThan(3);
      expect(halfWidth95, said).toBeLessThan(WIDEST * Math.abs(exact));
    }
  });
});

test("no two cases have one name", () => {
  const names = FAMILIES.flatMap(({ cases }) => cases.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
});

/** A row as it is on the page. */
interface Row {
  readonly name: string;
  readonly figure: string;
  readonly exact: string;
  readonly z: string;
}

/** The rows of a page, over all its tables. */
function pageRows(page: string): Row[] {
  return page
    .split("\n")
    .filter((line) => /^\| (?!case |-)/.test(line))
    .map((line) => {
      const [name, figure, exact, , , , z] = line
        .slice(2, -2)
        .split("|")
        .map((cell) => cell.trim());
      return { name, figure, exact, z };
    });
}

describe("docs/theory.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../docs/theory.md"), "utf8");

  // After a change of the cases: `npm run theory`.
  test("has the cases, figures and exact values of the code, in its order", () => {
    const wanted = FAMILIES.flatMap(({ cases }) =>
      cases.flatMap((theory) => Object.keys(theory.exact).map((figure) => rowOf(theory, figure))),
    );
    expect(pageRows(page).map(({ name, figure, exact }) => [name, figure, exact])).toEqual(wanted);
  });

  test("has no case three standard errors or more from theory", () => {
    const scores = pageRows(page).map(({ z }) => Math.abs(Number(z)));
    expect(scores.filter((z) => !(z < 3))).toEqual([]);
  });

  // Figures of one case depend on each other, cases do not.
  test("has scores that scatter as chance does, neither more nor less", () => {
    const first = new Map<string, number>();
    for (const { name, z } of pageRows(page)) {
      if (!first.has(name)) first.set(name, Number(z));
    }
    const spread = rootMeanSquare([...first.values()]);
    expect(Math.abs(spread - 1)).toBeLessThan(3 / Math.sqrt(2 * first.size));
  });
});

describe("the normal score of a t value", () => {
  // Two-sided 0.27% and 5% points of Student's t.
  test.each([
    [4.094, 9, 3],
    [3.447, 19, 3],
    [2.093, 19, 1.96],
    [-2.093, 19, -1.96],
    [0, 19, 0],
  ])("%f with %i degrees of freedom", (t, freedom, z) => {
    expect(Math.abs(normalScore(t, freedom) - z)).toBeLessThan(0.01);
  });
});
