/** HiGHS, an integer-programming solver in WebAssembly, loaded by the first plan that needs it. */
import type { Solver } from "../planning/contenders.ts";

/** Its types are those of its CommonJS form, where the loader stands one level deeper. */
type Load = typeof import("highs")["default"];
type Highs = Awaited<ReturnType<Load>>;

let loading: Promise<Highs> | undefined;

export async function loadSolver(): Promise<Solver> {
  loading ??= import("highs").then(({ default: load }) => (load as unknown as Load)());
  const highs = await loading;
  const { modelStatus, solutionStatus } = highs.constants;
  return (program, seconds) =>
    highs.withModel({ format: "lp", data: program }, (model) => {
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
