import { z } from "zod";
import type { Admission } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/** No queue is without bound: past this many requests in the system the next is refused. */
const CEILING = 1_000_000;

/** A class, so that every run of a sweep calls the same function. */
class AtMost implements Admission {
  readonly dropsLate: boolean;
  readonly ceiling: number | undefined;
  readonly #most: number;

  constructor(most: number, dropsLate: boolean) {
    this.#most = most;
    this.ceiling = most === CEILING ? CEILING : undefined;
    this.dropsLate = dropsLate;
  }

  admit(inSystem: number): boolean {
    return inSystem < this.#most;
  }
}

const count = z.int().positive().max(CEILING);

/**
 * Idea: take every request (up to a ceiling that only a runaway overload meets).
 * Reads: requests in the system.
 * Fails when: overloaded: everyone waits.
 * Source: none needed.
 */
export const all = definePolicy({
  name: "all",
  summary: "take every request",
  parameters: z.strictObject({}),
  create: (): Admission => new AtMost(CEILING, false),
});

/**
 * Idea: refuse a request when too many are in the system.
 * Reads: requests in the system.
 * Fails when: the bound is guessed: too low wastes capacity, too high lets everyone wait.
 * Source: M/M/c/K, Kleinrock, Queueing Systems I, 1975, section 3.6.
 */
export const bounded = definePolicy({
  name: "bounded",
  summary: "refuse requests beyond a number in the system",
  parameters: z.strictObject({ maxInSystem: count }),
  create: ({ maxInSystem }): Admission => new AtMost(maxInSystem, false),
});

/**
 * Idea: drop a request whose deadline has passed instead of starting its next task.
 * Reads: deadlines.
 * Fails when: a late answer is still worth something.
 * Source: Gujarati et al., Clockwork, OSDI 2020, section 5.
 */
export const dropLate = definePolicy({
  name: "drop-late",
  summary: "drop requests already past their deadline",
  parameters: z.strictObject({ maxInSystem: count.default(CEILING) }),
  create: ({ maxInSystem }): Admission => new AtMost(maxInSystem, true),
});
