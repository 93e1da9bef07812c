/** Parts of curves that one thread simulates, breadth first: the first run of each load, then the second. */
import {
  Fault,
  type LoadedScenario,
  type SimulationStep,
  simulate,
} from "../../library/browser.ts";
import type { Failure, PointResult } from "./messages.ts";

export type ToRunner =
  /** `scenario` has the loads as the points of its sweep. `id` is the sender's, and names one part. */
  | { readonly kind: "start"; readonly id: number; readonly scenario: LoadedScenario }
  | { readonly kind: "stop"; readonly id: number };

export type FromRunner =
  /** `index` is the load's place in the sweep. */
  | {
      readonly kind: "point";
      readonly id: number;
      readonly index: number;
      readonly result: PointResult;
    }
  | { readonly kind: "end"; readonly id: number; readonly failure: Failure | null };

interface Part {
  readonly id: number;
  readonly steps: AsyncGenerator<SimulationStep, void, void>;
  readonly stop: () => void;
  /** Steps so far. */
  done: number;
}

export class Runner {
  readonly #post: (message: FromRunner) => void;
  #parts: Part[] = [];
  #isRunning = false;

  constructor(post: (message: FromRunner) => void) {
    this.#post = post;
  }

  /** A part that was stopped says nothing more. */
  take(message: ToRunner): void {
    const { kind, id } = message;
    if (kind === "stop") {
      this.#remove(id);
      return;
    }
    const control = new AbortController();
    const steps = simulate(message.scenario, { signal: control.signal });
    this.#parts.push({ id, steps, stop: () => control.abort(), done: 0 });
    if (!this.#isRunning) void this.#run();
  }

  #remove(id: number): void {
    this.#parts.find((part) => part.id === id)?.stop();
    this.#parts = this.#parts.filter((part) => part.id !== id);
  }

  /** Each step goes to the part that has had the fewest; among equals, to the first. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    // The caller goes on first: it may have more parts.
    await null;
    while (this.#parts.length > 0) {
      const part = this.#parts.reduce((least, one) => (one.done < least.done ? one : least));
      part.done++;
      const message = await stepOf(part);
      if (!this.#parts.includes(part)) continue;
      if (message.kind === "end") this.#remove(part.id);
      this.#post(message);
    }
    this.#isRunning = false;
  }
}

async function stepOf({ id, steps }: Part): Promise<FromRunner> {
  try {
    const { value, done } = await steps.next();
    if (done === true) return { kind: "end", id, failure: null };
    const { latencyCurve: _, ...result }: PointResult & { latencyCurve?: unknown } = value.result;
    return { kind: "point", id, index: value.index, result };
  } catch (error) {
    return { kind: "end", id, failure: failureOf(error) };
  }
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Fault)) return { message: String(error), issues: [] };
  const { message, hint, issues = [] } = error;
  return { message, ...(hint === undefined ? {} : { hint }), issues };
}
