/** `docs/tutorial.md`: each step that gives the same output on any machine, in order. */
import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { IS_LONG } from "../core/test-form.test-support.ts";
import { outputOf, shownAs, tutorialFolder, tutorialSteps } from "./tutorial.test-support.ts";

const folder = tutorialFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const exact = tutorialSteps().filter(({ isExample }) => !isExample);
/** The sweep, and what follows from it, take ten seconds. */
const sweep = exact.findIndex(({ command }) => command.includes(" simulate "));
const steps = IS_LONG ? exact : exact.slice(0, sweep);

test("the page has a step for each command of a first half hour", () => {
  const commands = tutorialSteps().map(({ command }) => command.split(" ")[2]);
  expect([...new Set(commands)]).toEqual([
    ...["init", "check", "schedulers", "simulate", "query", "plan"],
    ...["validate", "explain", "report"],
  ]);
});

test.each(steps)("$command prints what the page shows", (step) => {
  expect(outputOf(step, folder)).toMatch(shownAs(step.shown));
});
