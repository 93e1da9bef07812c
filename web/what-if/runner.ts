/** Simulates several curves breadth first: the first run of each load, then the second. */
import {
  Fault,
  type LoadedScenario,
  type SimulationStep,
  simulate,
} from "../../library/browser.ts";
import type { Failure, PointResult } from "./messages.ts";

export type FromRunner = { readonly key: string } & (
  | {
      readonly kind: "point";
      /** The load's place in the sweep. */
      readonly index: number;
      readonly result: PointResult;
    }
  | { readonly kind: "end"; readonly failure: Failure | null }
);

interface Curve {
  readonly key: string;
  readonly steps: AsyncGenerator<SimulationStep, void, void>;
  readonly abort: () => void;
  /** Steps so far. */
  done: number;
}

export class Runner {
  readonly #post: (message: FromRunner) => void;
  #curves: Curve[] = [];
  #isRunning = false;

  constructor(post: (message: FromRunner) => void) {
    this.#post = post;
  }

  /** `scenario` has the curve's loads as the points of its sweep. */
  start(key: string, scenario: LoadedScenario): void {
    const control = new AbortController();
    const steps = simulate(scenario, { signal: control.signal });
    this.#curves.push({ key, steps, abort: () => control.abort(), done: 0 });
    if (!this.#isRunning) void this.#run();
  }

  /** A curve that was stopped says nothing more. */
  stop(key: string): void {
    this.#curves.find((curve) => curve.key === key)?.abort();
    this.#curves = this.#curves.filter((curve) => curve.key !== key);
  }

  /** Each step goes to the curve that has had the fewest; among equals, to the first. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    // The caller goes on first: it may have more curves.
    await null;
    while (this.#curves.length > 0) {
      const curve = this.#curves.reduce((least, one) => (one.done < least.done ? one : least));
      curve.done++;
      const message = await stepOf(curve);
      if (!this.#curves.includes(curve)) continue;
      if (message.kind === "end") this.stop(curve.key);
      this.#post(message);
    }
    this.#isRunning = false;
  }
}

async function stepOf({ key, steps }: Curve): Promise<FromRunner> {
  try {
    const { value, done } = await steps.next();
    if (done === true) return { kind: "end", key, failure: null };
    const { latencyCurve: _, ...result }: PointResult & { latencyCurve?: unknown } = value.result;
    return { kind: "point", key, index: value.index, result };
  } catch (error) {
    return { kind: "end", key, failure: failureOf(error) };
  }
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Fault)) return { message: String(error), issues: [] };
  const { message, hint, issues = [] } = error;
  return { message, ...(hint === undefined ? {} : { hint }), issues };
}
