/**
 * Calls of a user's code: what it throws becomes a Fault that names the policy and the line, at once or,
 * in the middle of an event, at the end of its instant.
 */
import type { Controller } from "../core/dispatch/controller.ts";
import { Fault } from "../core/fault.ts";

export interface Guarded {
  /** The policy in messages: `mine: ordering policy "longest-first"`. */
  readonly label: string;
  readonly failures: Failures;
}

/**
 * Failures of the user's code in the middle of an event. The event goes on with a harmless answer, so
 * that no job is lost half-way, and its instant ends with the failure: another scheduler can take over.
 */
export class Failures implements Controller {
  readonly pools = [];
  readonly scales = [];
  readonly timers = 0;
  #first: unknown = null;

  note(failure: unknown): void {
    this.#first ??= failure;
  }

  begin(): void {
    this.#first = null;
  }

  /** Nothing is half-way now. */
  decide(): void {
    const first = this.#first;
    this.#first = null;
    if (first !== null) throw first;
  }

  settled(): void {
    this.decide();
  }
}

/** Runs code of the user. */
export function called<T>(own: Guarded, method: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const fault = new Fault("invalid-input", `${own.label}, in ${method}: ${thrown(error)}`, {
      hint: "`tandem check SCENARIO` plays it and prints the steps that lead there",
      cause: error,
    });
    FAILURES.add(fault);
    throw fault;
  }
}

/** Runs code of the user in the middle of an event, which goes on with `otherwise` where that fails. */
export function spared<T>(own: Guarded, method: string, otherwise: T, run: () => T): T {
  try {
    return called(own, method, run);
  } catch (failure) {
    own.failures.note(failure);
    return otherwise;
  }
}

const FAILURES = new WeakSet<object>();

/** Whether code of the user failed, and not ours. */
export function isOwnFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && FAILURES.has(error);
}

/** The message, and the line of the file. Its frames have a `data:` address, for it was imported as text. */
export function thrown(error: unknown): string {
  const { stack = "" } = error instanceof Error ? error : {};
  const [, line] = /data:text\/javascript\S*?:(\d+)(?::\d+)?\)?$/m.exec(stack) ?? [];
  return line === undefined ? messageOf(error) : `${messageOf(error)} (line ${line})`;
}

/** Without the words of our assertions. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.message.replace(/^assertion failed: /, "").replace(/data:text\/\S*/g, "it");
  return error.name === "Error" ? text : `${error.name}: ${text}`;
}

export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Methods that a rule may lack, and that only hear. */
export function hearing<Rule extends object>(
  own: Guarded,
  rule: Rule,
  names: readonly (keyof Rule & string)[],
): Partial<Rule> {
  const methods = rule as Record<string, (...args: unknown[]) => unknown>;
  const entries = names
    .filter((name) => methods[name] !== undefined)
    .map((name) => [
      name,
      (...args: unknown[]) => spared(own, name, undefined, () => methods[name](...args)),
    ]);
  return Object.fromEntries(entries) as Partial<Rule>;
}

export function isWhole(value: unknown, least: number): boolean {
  return Number.isInteger(value) && (value as number) >= least;
}

export function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
