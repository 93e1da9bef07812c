/**
 * Integer programs, solved in a process of their own. So a search looks at signals meanwhile, and ends at once: a thread's
 * end would wait for the compiler of its WebAssembly.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { builtFile } from "../build/version.ts";
import type { Solver } from "../planning/standing.ts";
import type { Solution, SolverLimits } from "../schedulers/rules/solver.ts";

export interface AskedProgram {
  readonly program: string;
  readonly limits: SolverLimits;
}

/** From one look at the answer to the next. */
const LOOK_MS = 2;

/** The first program starts the process; `close` ends it. */
export function openSolver(): { readonly solve: Solver; readonly close: () => void } {
  let child: ChildProcess | undefined;
  let answer: Solution | undefined;
  let failure: Error | undefined;
  const start = (): ChildProcess =>
    fork(fileURLToPath(builtFile("library/solver-main.js")), { serialization: "advanced" })
      .on("message", (found) => {
        answer = found as Solution;
      })
      .on("error", (error) => {
        failure = error;
      })
      .on("exit", (code, signal) => {
        failure ??= new Error(`the solver's process ended (${signal ?? code})`);
      });
  const clock = new Int32Array(new SharedArrayBuffer(4));
  function* solve(program: string, limits: SolverLimits): Generator<undefined, Solution> {
    child ??= start();
    answer = undefined;
    child.send({ program, limits } satisfies AskedProgram);
    while (answer === undefined) {
      if (failure !== undefined) throw failure;
      yield;
      // The next turn of the event loop brings the answer.
      if (answer === undefined) Atomics.wait(clock, 0, 0, LOOK_MS);
    }
    return answer;
  }
  return { solve, close: () => void child?.kill("SIGKILL") };
}
