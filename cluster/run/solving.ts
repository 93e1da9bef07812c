/** Problems that controllers ask: solved beside the turns, and reported when due or as soon as there is a solution. */

import type { Clock } from "../time/clock.ts";
import { type RunClock, wakeTimers } from "./run-clock.ts";
import type { Solve } from "./solver-thread.ts";

interface Asked {
  solution: readonly number[];
}

export class Solving {
  readonly #solve: Solve;
  /** By controller: its latest problem. */
  readonly #asked = new Map<number, Asked>();
  readonly #due: ReturnType<typeof wakeTimers>;
  #isOver = false;

  constructor(
    solve: Solve,
    clock: Pick<Clock, "set" | "cancel">,
    instants: RunClock,
    solved: (controller: number, solution: readonly number[]) => void,
  ) {
    this.#solve = solve;
    this.#due = wakeTimers(clock, instants, (controller) => {
      const { solution = [] } = this.#asked.get(controller) ?? {};
      solved(controller, solution);
    });
  }

  /** Replaces the controller's earlier problem. */
  ask(controller: number, problem: unknown, atUs: number): void {
    const asked: Asked = { solution: [] };
    this.#asked.set(controller, asked);
    this.#solve(problem, (solution) => {
      // The scheduler that asked may be another by now, or have asked anew.
      if (this.#isOver || this.#asked.get(controller) !== asked) return;
      asked.solution = solution;
      this.#due.set(controller, atUs);
    });
  }

  /** Another scheduler has come: nobody waits for a solution. */
  forget(): void {
    this.#asked.clear();
    this.#due.close();
  }

  close(): void {
    this.#isOver = true;
    this.#due.close();
  }
}
