/** `docs/tutorial.md`: the first steps that give the same output on any machine; its long test runs all from an empty folder. */
import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { folderWithCheckout, outputOf, shownAs, tutorialSteps } from "./tutorial.test-support.ts";

const folder = folderWithCheckout();
afterAll(() => rmSync(folder, { recursive: true }));
const exact = tutorialSteps().filter(({ kind }) => kind === "exact");
/** The sweep, and what follows from it, take ten seconds. */
const steps = exact.slice(
  0,
  exact.findIndex(({ command }) => command.includes(" simulate ")),
);

test("the page installs the package before its first command, and has a step for each of a first half hour", () => {
  const all = tutorialSteps();
  expect(all.map(({ kind }) => kind).lastIndexOf("install")).toBe(1);
  const commands = all.slice(2).map(({ command }) => command.split(" ")[2]);
  expect([...new Set(commands)]).toEqual([
    ...["init", "check", "schedulers", "simulate", "query", "plan"],
    ...["validate", "explain", "report"],
  ]);
});

test.each(steps)("$command prints what the page shows", (step) => {
  expect(outputOf(step, folder)).toMatch(shownAs(step.shown));
});
