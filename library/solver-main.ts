/** The process of `openSolver`: HiGHS, an integer-programming solver in WebAssembly. Ends with its parent. */
import { loadHighs } from "../build/load-highs.ts";
import { solved } from "../schedulers/rules/solver.ts";
import type { AskedProgram } from "./solver.ts";

const highs = await loadHighs();

// Ctrl-C in a terminal and `timeout` reach this process too: its parent decides.
process.on("SIGINT", () => undefined).on("SIGTERM", () => undefined);
process.on("disconnect", () => process.exit());
process.on("message", ({ program, limits }: AskedProgram) => {
  process.send?.(solved(highs, program, limits));
});
