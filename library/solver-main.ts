/** The process of `openSolver`: HiGHS, an integer-programming solver in WebAssembly. Ends with its parent. */
import load from "highs";
import { solved } from "../planning/solve.ts";
import type { AskedProgram } from "./solver.ts";

/** Its types are those of its CommonJS form, where the loader stands one level deeper. */
const highs = await (load as unknown as (typeof load)["default"])();

// From a terminal, Ctrl-C reaches this process too: its parent decides.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
process.on("message", ({ program, seconds }: AskedProgram) => {
  process.send?.(solved(highs, program, seconds));
});
