/** Which requests are taken, and which are dropped late. */
import { z } from "zod";
import type { Admission } from "../../core/dispatch/policies.ts";
import { definePolicy, positiveInt } from "./policy-definition.ts";

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

const count = positiveInt(CEILING).describe(
  "requests in the system at once; the next one is refused",
);

export const all = definePolicy({
  name: "all",
  summary: "take every request",
  idea: "Take every request, up to a ceiling of a million that only a runaway overload meets.",
  reads: "Requests in the system.",
  failsWhen: "The cluster is overloaded: all requests wait.",
  source: "None needed.",
  create: (): Admission => new AtMost(CEILING, false),
});

export const bounded = definePolicy({
  name: "bounded",
  summary: "refuse requests beyond a number in the system",
  idea: "Refuse a request when too many are in the system.",
  reads: "Requests in the system.",
  failsWhen: "The bound is guessed: too low wastes capacity, too high lets all requests wait.",
  source: "M/M/c/K: Kleinrock, Queueing Systems I, 1975, section 3.6.",
  parameters: z.strictObject({ maxInSystem: count.meta({ examples: [100] }) }),
  create: ({ maxInSystem }): Admission => new AtMost(maxInSystem, false),
});

export const dropLate = definePolicy({
  name: "drop-late",
  summary: "drop requests already past their deadline",
  idea: "Drop a request whose deadline has passed instead of starting its next task.",
  reads: "Deadlines, and requests in the system.",
  failsWhen: "A late answer is still worth something.",
  source: "Gujarati et al., Clockwork, OSDI 2020, section 5.",
  parameters: z.strictObject({ maxInSystem: count.default(CEILING) }),
  create: ({ maxInSystem }): Admission => new AtMost(maxInSystem, true),
});
