import load from "highs";
import { solved } from "./solve.ts";
import type { Solver } from "./standing.ts";

/** Its types are those of its CommonJS form, where the loader stands one level deeper. */
const highs = await (load as unknown as (typeof load)["default"])();

/** As `openSolver` of the library, in this process. */
export const solve: Solver = function* (program, seconds) {
  yield;
  return solved(highs, program, seconds);
};
