/** The job that is served next. */
import type { Ordering } from "../../core/dispatch/policies.ts";
import { definePolicy } from "./policy-definition.ts";

export const fifo = definePolicy({
  name: "fifo",
  summary: "first in, first out",
  idea: "First come, first served.",
  reads: "The order of entry.",
  failsWhen: "Urgent requests wait behind patient ones.",
  source: "Kleinrock, Queueing Systems I, 1975.",
  create: (): Ordering => ({ kind: "fifo" }),
});

export const lifo = definePolicy({
  name: "lifo",
  summary: "last in, first out",
  idea: "The newest first; under overload some are served in time instead of all too late.",
  reads: "The order of entry.",
  failsWhen: "Fairness matters: old requests starve.",
  source: "Kleinrock, Queueing Systems I, 1975.",
  create: (): Ordering => ({ kind: "lifo" }),
});

export const edf = definePolicy({
  name: "edf",
  summary: "earliest deadline first",
  idea: "Earliest deadline first; requests without a deadline come last, in order of entry.",
  reads: "Deadlines: arrival plus the request's own time, or the pipeline's latency goal.",
  failsWhen: "The pool is overloaded: it serves requests that are about to be late anyway.",
  source: "Liu & Layland, J. ACM 20(1), 1973.",
  create: (): Ordering => ({ kind: "keyed", key: ({ deadlineUs }) => deadlineUs }),
});

export const priority = definePolicy({
  name: "priority",
  summary: "highest priority first",
  idea: "The most important pipeline first, and within one first come, first served. A running batch is not interrupted.",
  reads: "Priorities of pipelines, and the order of entry.",
  failsWhen: "The important ones alone can fill the pool: the others starve.",
  source: "Cobham, Operations Research 2(1), 1954.",
  create: (): Ordering => ({ kind: "keyed", key: ({ priority: level }) => -level }),
});
