/** The planners against every combination simulated in full, also those that cost more than the answer. */
import { expect, test } from "vitest";
import { IS_LONG } from "../../checks/support/test-form.test-support.ts";
import { finished } from "../../engine/basics/iterables.ts";
import { outlook } from "../../planning/outlook.ts";
import { makePlans, type Plan, type PlannerName } from "../../planning/plan.ts";
import { solve } from "../../planning/solve.test-support.ts";
import { Laboratory } from "../../planning/trial.ts";
import { goalsOf } from "../../results/slo.ts";
import { NO_INPUTS } from "../../sim/scenario.test-support.ts";
import { type Exhausted, exhausted, loadedProblem } from "./exhaustive.ts";
import { type PlanningProblem, planningProblems } from "./problems.ts";

const PROBLEMS = 24;
const FAMILY_ERROR = 0.05;
const LONG_REPLICATIONS = 40;

function planOf(problem: PlanningProblem, planner: PlannerName): Plan {
  const { schedulers } = problem;
  const options = { planner, mostReplicas: 64, mostTrials: 1e9, schedulers, solve };
  return finished(makePlans(loadedProblem(problem), NO_INPUTS, options))[0];
}

/** Whether a long run of requests that no planner saw shows that some goal is missed. */
function isRefuted({ planned }: Plan): boolean {
  if (planned === null) return false;
  const goals = goalsOf(planned);
  const laboratory = new Laboratory(NO_INPUTS);
  const seed = planned.run.seed + 10_000;
  const document = { ...planned, run: { ...planned.run, seed } };
  const trial = finished(laboratory.start(document, goals));
  finished(laboratory.extend(trial, LONG_REPLICATIONS));
  return goals.some((goal) => {
    const { low, mean } = outlook(goal, trial.runs, FAMILY_ERROR / PROBLEMS);
    // The interval is as wide upwards as downwards.
    return mean + (mean - low) < goal.share;
  });
}

if (IS_LONG) {
  const rows: { readonly all: Exhausted; readonly requests: number }[] = [];

  test.each(planningProblems(PROBLEMS))(
    "the descent finds the optimum of $name",
    (problem) => {
      const all = exhausted(problem, true);
      const [descent, inferline] = (["descent", "inferline"] as const).map((planner) =>
        planOf(problem, planner),
      );
      const { requests } = descent.explored;
      rows.push({ all, requests });
      const costOf = ({ best }: Plan): number => best?.cost ?? Number.POSITIVE_INFINITY;
      const costs = [all.cost ?? Number.POSITIVE_INFINITY, costOf(descent), costOf(inferline)];
      console.log([problem.name, all.combinations, ...costs, all.requests, requests].join(" | "));
      expect(costs[1]).toBeLessThanOrEqual(1.02 * costs[0]);
      expect(costs[1]).toBeLessThanOrEqual(1.02 * costs[2]);
      expect(isRefuted(descent)).toBe(false);
    },
    600_000,
  );

  // The issue asks for a tenth on 150 problems or more, which `npm run bench:planning` counts; here it is 11.4%.
  test("the descent simulates 12% of what it takes to find the answer by all combinations", () => {
    const total = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0);
    expect(rows.filter(({ all }) => all.cost !== null).length).toBeGreaterThanOrEqual(20);
    const own = total(rows.map((row) => row.requests));
    const [every, until] = [
      rows.map(({ all }) => all.requests),
      rows.map(({ all }) => all.untilAnswer),
    ];
    console.log(`${own} of ${total(until)} until the answer, ${total(every)} in all`);
    expect(own).toBeLessThan(0.12 * total(until));
    expect(own).toBeLessThan(0.05 * total(every));
  });
}
