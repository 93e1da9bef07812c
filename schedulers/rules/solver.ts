/**
 * Integer programs, solved by HiGHS. Its WebAssembly loads asynchronously, and no decision waits: a driver loads it
 * before a run whose scheduler asks for it, and gives it to `useSolver` once in each thread. Solving is synchronous and,
 * bounded by nodes, the same on every machine and in a browser.
 */
import type { Highs } from "highs";
import { Fault } from "../../engine/basics/fault.ts";

export interface Solution {
  /** No solution is below it; Infinity where there is none. */
  readonly bound: number;
  /** Of the best solution found, by name; null where none was. */
  readonly values: Readonly<Record<string, number>> | null;
  /** Nodes of the search tree. */
  readonly nodes: number;
}

/** The search ends there, or where the best is within the relative gap of the bound. */
export interface SolverLimits {
  readonly nodes?: number;
  readonly gap?: number;
}

/** The parts of HiGHS that programs need. */
export type Solving = Pick<Highs, "constants" | "withModel">;

/** Minimises a program in CPLEX's LP format. */
export function solved(
  { constants, withModel }: Solving,
  program: string,
  { nodes, gap }: SolverLimits,
): Solution {
  const { modelStatus, solutionStatus } = constants;
  return withModel({ format: "lp", data: program }, (model) => {
    model.options.set({
      output_flag: false,
      ...(nodes === undefined ? {} : { mip_max_nodes: nodes }),
      ...(gap === undefined ? {} : { mip_rel_gap: gap }),
    });
    model.run();
    const visited = Math.max(0, Number(model.info.get("mip_node_count")));
    if (model.getModelStatus() === modelStatus.infeasible)
      return { bound: Number.POSITIVE_INFINITY, values: null, nodes: visited };
    const bound = Number(model.info.get("mip_dual_bound"));
    const isFound = model.info.get("primal_solution_status") === solutionStatus.feasible;
    if (!isFound) return { bound, values: null, nodes: visited };
    const { colValue } = model.getSolution();
    const named = [...colValue].map((value, i) => [model.getColName(i), value] as const);
    return { bound, values: Object.fromEntries(named), nodes: visited };
  });
}

/** Schedulers whose decisions solve programs, as scenarios and their schedulers' files name them. */
const SOLVES = /\b(proteus|loki)\b/;

/** Whether runs may need the solver, by the text of documents or of schedulers' files. */
export const asksForSolver = (...given: readonly unknown[]): boolean =>
  SOLVES.test(JSON.stringify(given));

let inUse: Solving | null = null;

export function useSolver(loaded: Solving): void {
  inUse = loaded;
}

/** Throws Fault("unavailable") where none was loaded. */
export function solverInUse(): Solving {
  if (inUse !== null) return inUse;
  throw new Fault("unavailable", "the solver of integer programs, HiGHS, is not loaded here", {
    hint: "proteus and loki need it: run the scenario by `tandem simulate` or in the web app",
  });
}
