/** `docs/tutorial.md`: the steps whose output depends on the machine, and a page that shows the like. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { outputOf, type Step, tutorialFolder, tutorialSteps } from "./tutorial.test-support.ts";

const folder = tutorialFolder();
afterAll(() => rmSync(folder, { recursive: true }));

const VERDICT = "(agrees|disagrees|cannot tell)";
const ESTIMATE = "[\\d,.]+ ± +[\\d,.]+";
/** Runs that were all set aside had the same arrivals, so their one prediction has no half width. */
const PREDICTED = "[\\d,.]+(?: ± +[\\d,.]+)?";
const PART = "[+−][\\d.]+(?: +[\\d.]+)?";

const PATTERNS: Readonly<Record<string, readonly RegExp[]>> = {
  validate: [
    new RegExp(
      `^A: scheduler=fifo +mean latency \\(ms\\) +${PREDICTED} +${ESTIMATE} .*±5 % +${VERDICT}$`,
      "m",
    ),
    new RegExp(`^ +p95 latency \\(ms\\) +${PREDICTED} +${ESTIMATE} .*±10 % +${VERDICT}$`, "m"),
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

const patternsOf = ({ command }: Step): readonly RegExp[] => PATTERNS[command.split(" ")[2]] ?? [];

describe("the tutorial's steps on a machine", () => {
  const outputs = new Map(tutorialSteps().map((step) => [step, outputOf(step, folder)]));
  const examples = [...outputs].filter(([step]) => step.isExample);

  test.each(examples)("$command prints the like of what the page shows", (step, output) => {
    expect(patternsOf(step)).not.toEqual([]);
    for (const pattern of patternsOf(step)) {
      expect(output).toMatch(pattern);
      expect(step.shown).toMatch(pattern);
    }
  });

  test("the report has the sweep and the validation", () => {
    const path = join(folder, "my-pipeline/out/report.html");
    expect(existsSync(path)).toBe(true);
    const html = readFileSync(path, "utf8");
    expect(html).toContain("27 simulated configurations");
    expect(html).toContain("1 configuration validated: 1 ");
  });
});
