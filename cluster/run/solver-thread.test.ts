/** The thread that finds plans beside a gateway's turns: it needs the build. */
import { afterAll, expect, test } from "vitest";
import type { PlanProblem } from "../../schedulers/systems/accuracy-scaling/plan.ts";
import { SolverThread } from "./solver-thread.ts";

const failures: string[] = [];
const solver = new SolverThread((message) => failures.push(message));
afterAll(() => solver.close());

const asked = (problem: unknown) =>
  new Promise<readonly number[]>((resolve) => solver.solve(problem, resolve));

/** A task of two variants on four devices; accurate replicas do 10 jobs per s, fast ones 40. */
function problem(demandPerS: number, saves = false): PlanProblem {
  const common = { pool: 0, kind: "a", demand: [] };
  const options = [
    { ...common, accuracy: 0.9, perS: 10 },
    { ...common, accuracy: 0.6, perS: 40 },
  ];
  const pipelines = [{ weight: 1, visits: [{ task: 0, ratio: 1 }] }];
  const tasks = [{ demandPerS, options }];
  const program = { tasks, pipelines, devices: 4, kinds: { a: 4 }, room: [] };
  return { program, saves, mostNodes: 100 };
}

test("its solutions come after the turn that asks, in the order of the questions", async () => {
  const solved: (readonly number[])[] = [];
  const both = [problem(100), problem(20, true)].map((one) =>
    asked(one).then((solution) => solved.push(solution)),
  );
  // Whatever the solver takes, other events come first.
  await new Promise(setImmediate);
  expect(solved).toEqual([]);
  await Promise.all(both);
  // Two accurate ones serve 20 of 100; for a demand of 20 they are all that is on.
  expect(solved).toEqual([
    [2, 2],
    [2, 0],
  ]);
  expect(failures).toEqual([]);
});

test("a solver that fails says so, answers nothing, and solves what is asked next", async () => {
  expect(await asked(null)).toEqual([]);
  expect(failures).toHaveLength(1);
  expect(await asked(problem(100))).toEqual([2, 2]);
});
