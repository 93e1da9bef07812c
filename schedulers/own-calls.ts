/**
 * Calls of the user's code: what it throws, and answers that make no sense, become a Fault that names the policy and
 * the line.
 *
 *   called   fails at once: nothing is half-way where its rule is asked
 *   spared   in the middle of an event, which goes on with a harmless answer; its instant ends with the
 *            failure (`Failures`), so that no job is lost half-way and another scheduler can take over
 */

import { Fault } from "../engine/basics/fault.ts";
import type { Controller } from "../engine/dispatch/controller.ts";

/** Keeps the first failure of one scheduler in the middle of an event, until nothing is half-way. */
export class Failures implements Controller {
  #first: unknown = null;

  note(failure: unknown): void {
    this.#first ??= failure;
  }

  decide(): void {
    if (this.#first !== null) throw this.#first;
  }

  settled(): void {
    this.decide();
  }
}

/** A policy of the user. */
export interface Guarded {
  /** The policy in messages: `mine.mjs: ordering policy "longest-first"`. */
  readonly label: string;
  readonly failures: Failures;
}

const OWN_FAILURES = new WeakSet<object>();

/** Whether code of the user failed, and not ours. */
export function isOwnFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && OWN_FAILURES.has(error);
}

/** The innermost call of the user's code that has not returned. */
let underWay: { readonly own: Guarded; readonly method: string } | null = null;

/** Work is given in parts of some hundredths of a second: one that takes this long may hang. */
const HUNG_MS = 1000;
export const HUNG_HINT = "a decision takes microseconds: look there for a loop that does not end";

/**
 * The call that hangs, in messages, where work that takes `ms` so far is broken off; null where none does. V8 runs no
 * `finally` of such a call.
 */
export function hungCall(ms: number): string | null {
  const call = underWay;
  underWay = null;
  if (call === null || ms < HUNG_MS) return null;
  return `${call.own.label}, in ${call.method}, has not returned for ${(ms / 1000).toFixed(0)} s`;
}

/** Runs the user's code; what it throws fails at once, as a Fault that names the method. */
export function called<T>(own: Guarded, method: string, run: () => T): T {
  const outer = underWay;
  underWay = { own, method };
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const fault = new Fault("invalid-input", `${own.label}, in ${method}: ${thrown(error)}`, {
      hint: "`tandem check SCENARIO` plays short runs and prints the steps that lead there; where it finds none, let the file print its state before that line (`console.error`), and run `tandem simulate SCENARIO --workers 1`",
      cause: error,
    });
    OWN_FAILURES.add(fault);
    throw fault;
  } finally {
    underWay = outer;
  }
}

/** Runs the user's code; where it fails, the event goes on with `otherwise`, and its instant fails. */
export function spared<T>(own: Guarded, method: string, otherwise: T, run: () => T): T {
  try {
    return called(own, method, run);
  } catch (failure) {
    own.failures.note(failure);
    return otherwise;
  }
}

/** Those methods of a rule that are there, and only hear. */
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

/** The message, and the line of the file. Its frames have a `data:` address, for it was imported as text. */
export function thrown(error: unknown): string {
  const { stack = "" } = error instanceof Error ? error : {};
  const [, line] = /data:text\/javascript\S*?:(\d+)(?::\d+)?\)?$/m.exec(stack) ?? [];
  return line === undefined ? messageOf(error) : `${messageOf(error)} (line ${line})`;
}

/** Without the words of our assertions. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.message
    .replace(/^assertion failed: /, "")
    .replace(/["']?data:text\/[^\s"']*["']?/g, "the file");
  return error.name === "Error" ? text : `${error.name}: ${text}`;
}

/** Throws the message unless the condition holds. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  const isKnown = allowed.includes(value as string);
  must(isKnown, `${name} is ${shown(value)}, not ${allowed.map(shown).join(" or ")}`);
}

export function wholeFrom(least: number, name: string, value: unknown): void {
  must(isWhole(value, least), `${name} is ${shown(value)}, not a whole number from ${least}`);
}

export function isWhole(value: unknown, least: number): boolean {
  return Number.isInteger(value) && (value as number) >= least;
}

export function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
