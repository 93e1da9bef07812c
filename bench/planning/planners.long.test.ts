/** The planner against every combination simulated in full, from the cheapest price up to the first that is confirmed. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { IS_LONG } from "../../checks/support/test-form.test-support.ts";
import { finished } from "../../engine/basics/iterables.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { outlook } from "../../planning/outlook.ts";
import type { Plan } from "../../planning/plan.ts";
import { solve } from "../../planning/solve.test-support.ts";
import { Laboratory } from "../../planning/trial.ts";
import { goalsOf } from "../../results/slo.ts";
import { NO_INPUTS } from "../../sim/scenario.test-support.ts";
import { exhausted, planned } from "./exhaustive.ts";
import { planningProblems } from "./problems.ts";

const PROBLEMS = planningProblems(160);
const FAMILY_ERROR = 0.05;
const LONG_REPLICATIONS = 40;

/**
 * A file holds the answers of exhaustive search, which takes nine tenths of the time: they change with the engine and with
 * how trials confirm. Each run searches a part of them anew; `EXHAUSTED=anew` searches all, and stores them.
 */
const STORED = join(import.meta.dirname, "exhausted.json");
const IS_ANEW = process.env.EXHAUSTED === "anew";
/** Prime to the periods at which problems have memory, interruptions, batches and ramps. */
const EVERY = 23;

/** A line for each problem, as the formatter has it. */
function linesOf(answers: Answers): string {
  const lines = Object.entries(answers).map(([name, { cost, requests }]) => {
    return `  "${name}": { "cost": ${cost}, "requests": ${requests} }`;
  });
  return `{\n${lines.join(",\n")}\n}\n`;
}

type Answers = Record<string, { readonly cost: number | null; readonly requests: number }>;

/** Whether a long run of requests that no search saw shows that some goal is missed. */
function isRefuted({ planned: document }: Plan): boolean {
  if (document === null) return false;
  const goals = goalsOf(document);
  const laboratory = new Laboratory(NO_INPUTS);
  const seed = document.run.seed + 10_000;
  const trial = finished(laboratory.start({ ...document, run: { ...document.run, seed } }, goals));
  finished(laboratory.extend(trial, LONG_REPLICATIONS));
  return goals.some((goal) => {
    const { low, mean } = outlook(goal, trial.runs, FAMILY_ERROR / PROBLEMS.length);
    // The interval is as wide upwards as downwards.
    return mean + (mean - low) < goal.share;
  });
}

describe.runIf(IS_LONG)("of generated problems", () => {
  const answers: Answers = IS_ANEW ? {} : JSON.parse(readFileSync(STORED, "utf8"));
  afterAll(() => {
    if (IS_ANEW) writeFileSync(STORED, linesOf(answers));
  });

  test.each(PROBLEMS.filter((_, i) => IS_ANEW || i % EVERY === 5))(
    "the stored answer to $name is what exhaustive search finds",
    (problem) => {
      const { cost, requests } = exhausted(problem);
      if (IS_ANEW) answers[problem.name] = { cost, requests };
      expect(answers[problem.name]).toEqual({ cost, requests });
    },
    600_000,
  );

  const rows = new Map<string, { readonly isDearer: boolean; readonly requests: number[] }>();

  test.each(PROBLEMS)(
    "the plan of $name is not refuted by many fresh requests",
    (problem) => {
      const plan = planned(problem, solve);
      const all = answers[problem.name];
      const [cost, least] = [plan.best?.cost ?? Infinity, all.cost ?? Infinity];
      const requests = [plan.explored.requests, all.requests];
      rows.set(problem.name, { isDearer: cost > 1.02 * least, requests });
      expect(isRefuted(plan)).toBe(false);
    },
    600_000,
  );

  test("at most 2% of the plans are more than 2% dearer than the optimum", () => {
    expect(rows.size).toBe(PROBLEMS.length);
    const dearer = [...rows].filter(([, { isDearer }]) => isDearer).map(([name]) => name);
    expect(dearer.length, dearer.join()).toBeLessThanOrEqual(0.02 * PROBLEMS.length);
  });

  test("the search simulates at most a tenth of the requests up to the first answer", () => {
    const requests = [...rows.values()].map((row) => row.requests);
    const [own, until] = [0, 1].map((i) => sumOf(requests.map((each) => each[i])));
    expect(own / until).toBeLessThanOrEqual(0.1);
  });
});
