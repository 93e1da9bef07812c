import { highs } from "../checks/support/solver.test-support.ts";
import { solved } from "../schedulers/rules/solver.ts";
import type { Solver } from "./standing.ts";

/** As `openSolver` of the library, in this process. */
export const solve: Solver = function* (program, limits) {
  yield;
  return solved(highs, program, limits);
};
