/** The planner against every combination simulated in full, from the cheapest price up to the first that is confirmed. */
import { describe, expect, test } from "vitest";
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

const PROBLEMS = 160;
const FAMILY_ERROR = 0.05;
const LONG_REPLICATIONS = 40;

/** Whether a long run of requests that no search saw shows that some goal is missed. */
function isRefuted({ planned: document }: Plan): boolean {
  if (document === null) return false;
  const goals = goalsOf(document);
  const laboratory = new Laboratory(NO_INPUTS);
  const seed = document.run.seed + 10_000;
  const trial = finished(laboratory.start({ ...document, run: { ...document.run, seed } }, goals));
  finished(laboratory.extend(trial, LONG_REPLICATIONS));
  return goals.some((goal) => {
    const { low, mean } = outlook(goal, trial.runs, FAMILY_ERROR / PROBLEMS);
    // The interval is as wide upwards as downwards.
    return mean + (mean - low) < goal.share;
  });
}

describe.runIf(IS_LONG)("of generated problems", () => {
  const rows = new Map<string, { readonly isDearer: boolean; readonly requests: number[] }>();

  test.each(planningProblems(PROBLEMS))(
    "the plan of $name is not refuted by many fresh requests",
    (problem) => {
      const plan = planned(problem, solve);
      const all = exhausted(problem);
      const [cost, least] = [plan.best?.cost ?? Infinity, all.cost ?? Infinity];
      const requests = [plan.explored.requests, all.requests];
      rows.set(problem.name, { isDearer: cost > 1.02 * least, requests });
      expect(isRefuted(plan)).toBe(false);
    },
    600_000,
  );

  test("at most 2% of the plans are more than 2% dearer than the optimum", () => {
    expect(rows.size).toBe(PROBLEMS);
    const dearer = [...rows].filter(([, { isDearer }]) => isDearer).map(([name]) => name);
    expect(dearer.length, dearer.join()).toBeLessThanOrEqual(0.02 * PROBLEMS);
  });

  test("the search simulates at most a tenth of the requests up to the first answer", () => {
    const requests = [...rows.values()].map((row) => row.requests);
    const [own, until] = [0, 1].map((i) => sumOf(requests.map((each) => each[i])));
    expect(own / until).toBeLessThanOrEqual(0.1);
  });
});
