/** The solver of integer programs, for tests that run proteus or loki in their own process. */
import { loadHighs } from "../../build/load-highs.ts";
import { useSolver } from "../../schedulers/rules/solver.ts";

export const highs = await loadHighs();
useSolver(highs);
