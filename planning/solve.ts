/** A program in CPLEX's LP format, solved by HiGHS; its caller loads that. */
import type { Highs } from "highs";
import type { Solution } from "./standing.ts";

export function solved(
  { constants, withModel }: Pick<Highs, "constants" | "withModel">,
  program: string,
  seconds: number,
): Solution {
  const { modelStatus, solutionStatus } = constants;
  return withModel({ format: "lp", data: program }, (model) => {
    model.options.set({ output_flag: false, time_limit: seconds });
    model.run();
    if (model.getModelStatus() === modelStatus.infeasible)
      return { bound: Number.POSITIVE_INFINITY, values: null };
    const bound = Number(model.info.get("mip_dual_bound"));
    const isFound = model.info.get("primal_solution_status") === solutionStatus.feasible;
    if (!isFound) return { bound, values: null };
    const { colValue } = model.getSolution();
    const named = [...colValue].map((value, i) => [model.getColName(i), value] as const);
    return { bound, values: Object.fromEntries(named) };
  });
}
