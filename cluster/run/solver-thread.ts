/** Solves problems that controllers ask, in a thread of its own: the gateway serves meanwhile. */
import { parentPort, Worker, workerData } from "node:worker_threads";
import { loadHighs } from "../../build/load-highs.ts";
import { useSolver } from "../../schedulers/rules/solver.ts";
import { type PlanProblem, planFor } from "../../schedulers/systems/accuracy-scaling/plan.ts";
import { entryPoint } from "../processes/link.ts";

/** Calls `solved` once, with nothing where the solver has failed. */
export type Solve = (problem: unknown, solved: (solution: readonly number[]) => void) => void;

/** The first problem starts the thread. */
export class SolverThread {
  readonly #onFailure: (message: string) => void;
  /** In the order in which they were asked. */
  readonly #open: ((solution: readonly number[]) => void)[] = [];
  #thread: Worker | null = null;

  constructor(onFailure: (message: string) => void) {
    this.#onFailure = onFailure;
  }

  readonly solve: Solve = (problem, solved) => {
    this.#open.push(solved);
    this.#thread ??= this.#start();
    this.#thread.postMessage(problem);
  };

  #start(): Worker {
    const thread = new Worker(entryPoint("run/solver-thread"), { workerData: "solver" });
    thread.on("message", (solution: readonly number[]) => this.#open.shift()?.(solution));
    thread.on("error", ({ message }) => {
      // The next problem gets a fresh one.
      this.#thread = null;
      this.#onFailure(`no plan, for the solver has failed: ${message}`);
      for (const solved of this.#open.splice(0)) solved([]);
    });
    return thread;
  }

  async close(): Promise<void> {
    this.#open.length = 0;
    await this.#thread?.terminate();
  }
}

if (workerData === "solver") {
  const highs = loadHighs();
  parentPort?.on("message", async (problem: PlanProblem) => {
    useSolver(await highs);
    parentPort?.postMessage(planFor(problem));
  });
}
