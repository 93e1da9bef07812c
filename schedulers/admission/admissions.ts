import { z } from "zod";
import type { Admission } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/** No queue is without bound: past this many requests in the system the next is refused. */
const CEILING = 1_000_000;

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
  create: (): Admission => ({ admit: (inSystem) => inSystem < CEILING, dropsLate: false }),
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
  create: ({ maxInSystem }): Admission => ({
    admit: (inSystem) => inSystem < maxInSystem,
    dropsLate: false,
  }),
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
  create: ({ maxInSystem }): Admission => ({
    admit: (inSystem) => inSystem < maxInSystem,
    dropsLate: true,
  }),
});
