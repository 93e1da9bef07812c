/** `docs/tutorial.md`: every step, from an empty folder with the packed package. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  foldersToInstall,
  outputOf,
  type Step,
  shownAs,
  tutorialSteps,
} from "./tutorial.test-support.ts";

const { all, clone, mine } = foldersToInstall();
afterAll(() => rmSync(all, { recursive: true }));

const VERDICT = "(agrees|disagrees|cannot tell)";
/** Longer ones are broken into lines. */
const JUDGED = `${VERDICT}(?: \\(±\\d+%\\))?`;
const ESTIMATE = "[\\d,.]+ ± +[\\d,.]+";
/** Runs that were all set aside had the same arrivals, so their one prediction has no half width. */
const PREDICTED = "[\\d,.]+(?: ± +[\\d,.]+)?";
const PART = "[+−][\\d.]+(?: +[\\d.]+)?";

const PATTERNS: Readonly<Record<string, readonly RegExp[]>> = {
  validate: [
    new RegExp(
      `^A:(?: scheduler=fifo)? +mean latency(?: \\(ms\\))? +${JUDGED} +${PREDICTED} +${ESTIMATE} .*%`,
      "m",
    ),
    new RegExp(`^ +p95 latency(?: \\(ms\\))? +${JUDGED} +${PREDICTED} +${ESTIMATE} .*%`, "m"),
    /^A: measured times replayed, no GPU\/model ran$/m,
    /^1 configuration validated: 1 (agrees|disagrees|cannot be judged yet)$/m,
  ],
  explain: [
    // A busy machine may set runs aside.
    new RegExp(`^scheduler=fifo: mean latency, of \\d runs?; verdict: ${VERDICT}$`, "m"),
    new RegExp(`^predicted ${PREDICTED} ms, measured ${ESTIMATE} ms$`, "m"),
    ...["service", "network", "gateway", "queueing", "load generator", "predicted − measured"].map(
      (part) => new RegExp(`^${part} +${PART}$`, "m"),
    ),
    /^predicted − measured is [+−][\d.]+ ms \([+−][\d.]+%\)/m,
    /^not known:$/m,
    /^ {2}service times of detector, plate-reader are assumed, not measured$/m,
  ],
  report: [/^my-pipeline\/out\/report\.html\n$/],
};

/** The page's own output for exact steps; for examples, patterns that the page's output matches too. */
function patternsOf({ command, shown, kind }: Step): readonly RegExp[] {
  return kind === "example" ? (PATTERNS[command.split(" ")[2]] ?? []) : [shownAs(shown)];
}

// In order: each step needs the one before.
test.each(tutorialSteps())("$command prints the like of what the page shows", (step) => {
  const output = outputOf(step, step.kind === "install" ? clone : mine);
  expect(patternsOf(step)).not.toEqual([]);
  for (const pattern of patternsOf(step)) {
    expect(output).toMatch(pattern);
    if (step.kind === "example") expect(step.shown).toMatch(pattern);
  }
});

test("the validation measured what messages cost here, not what the scenario assumes", () => {
  const { notes } = JSON.parse(readFileSync(join(mine, "my-pipeline/out/validation.json"), "utf8"));
  expect(notes.join()).toContain("a pilot of the pipeline on replayed times measured");
});

test("the report has the sweep and the validation", () => {
  const path = join(mine, "my-pipeline/out/report.html");
  expect(existsSync(path)).toBe(true);
  const html = readFileSync(path, "utf8");
  expect(html).toContain("27 simulated configurations");
  expect(html).toContain("1 configuration validated: 1 ");
});
