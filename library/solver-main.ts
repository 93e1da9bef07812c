/** The process of `openSolver`: HiGHS, an integer-programming solver in WebAssembly. Ends with its parent. */
import load from "highs";
import type { Solution } from "../planning/standing.ts";
import type { AskedProgram } from "./solver.ts";

/** Its types are those of its CommonJS form, where the loader stands one level deeper. */
const highs = await (load as unknown as (typeof load)["default"])();
const { modelStatus, solutionStatus } = highs.constants;

// From a terminal, Ctrl-C reaches this process too: its parent decides.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
process.on("message", ({ program, seconds }: AskedProgram) => {
  process.send?.(solved(program, seconds));
});

function solved(program: string, seconds: number): Solution {
  return highs.withModel({ format: "lp", data: program }, (model) => {
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
