import { z } from "zod";
import type { Ordering } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

const none = z.strictObject({});

/**
 * Idea: first come, first served.
 * Reads: order of entry.
 * Fails when: urgent requests wait behind patient ones.
 * Source: Kleinrock, Queueing Systems I, 1975.
 */
export const fifo = definePolicy({
  name: "fifo",
  summary: "first in, first out",
  parameters: none,
  create: (): Ordering => ({ kind: "fifo" }),
});

/**
 * Idea: the newest first; under overload some are served in time instead of all too late.
 * Reads: order of entry.
 * Fails when: fairness matters; old requests starve.
 * Source: Kleinrock, Queueing Systems I, 1975.
 */
export const lifo = definePolicy({
  name: "lifo",
  summary: "last in, first out",
  parameters: none,
  create: (): Ordering => ({ kind: "lifo" }),
});

/**
 * Idea: earliest deadline first; requests without a deadline come last, in order of entry.
 * Reads: deadlines (arrival plus the request's own time, or the pipeline's latency goal).
 * Fails when: overloaded: it serves requests that are about to be late anyway.
 * Source: Liu & Layland, J. ACM 20(1), 1973.
 */
export const edf = definePolicy({
  name: "edf",
  summary: "earliest deadline first",
  parameters: none,
  create: (): Ordering => ({ kind: "keyed", key: (_arrivedUs, deadlineUs) => deadlineUs }),
});

/**
 * Idea: the most important pipeline first, and within one first come, first served. A batch that runs is
 * not interrupted.
 * Reads: priorities of pipelines, order of entry.
 * Fails when: the important ones alone can fill the pool: the others starve.
 * Source: Cobham, Operations Research 2(1), 1954.
 */
export const priority = definePolicy({
  name: "priority",
  summary: "highest priority first",
  parameters: none,
  create: (): Ordering => ({ kind: "keyed", key: (_arrivedUs, _deadlineUs, level) => -level }),
});
