/** The textbook's rules: which requests are taken, which variant serves a job, which job is next, how many start together, which are dropped. */

import { z } from "zod";
import { leastBy } from "../../engine/basics/iterables.ts";
import {
  type Admission,
  type Batching,
  type GroupBatching,
  type Ordering,
  type Selection,
  type Shedding,
  sizeOrTimeout as sizeOrTimeoutBatching,
} from "../../engine/dispatch/policies.ts";
import type { System } from "../../engine/system/system.ts";
import { batchSize, largestBatch, ms, positiveInt, within } from "./parameters.ts";
import { definePolicy, type SelectionContext } from "./policy-definition.ts";

// --- admission: which requests are taken, and which are dropped late -----------------------------

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

const all = definePolicy({
  name: "all",
  summary: "take every request",
  idea: "Take every request, up to a ceiling of a million that only a runaway overload meets.",
  reads: "Requests in the system.",
  failsWhen: "The cluster is overloaded: all requests wait.",
  source: "None needed.",
  create: (): Admission => new AtMost(CEILING, false),
});

const bounded = definePolicy({
  name: "bounded",
  summary: "refuse requests beyond a number in the system",
  idea: "Refuse a request when too many are in the system.",
  reads: "Requests in the system.",
  failsWhen: "The bound is guessed: too low wastes capacity, too high lets all requests wait.",
  source: "M/M/c/K: Kleinrock, Queueing Systems I, 1975, section 3.6.",
  parameters: z.strictObject({ maxInSystem: count.meta({ examples: [100] }) }),
  create: ({ maxInSystem }): Admission => new AtMost(maxInSystem, false),
});

const dropLate = definePolicy({
  name: "drop-late",
  summary: "drop requests already past their deadline",
  idea: "Drop a request whose deadline has passed instead of starting its next task.",
  reads: "Deadlines, and requests in the system.",
  failsWhen: "A late answer is still worth something.",
  source: "Gujarati et al., Clockwork, OSDI 2020, section 5.",
  parameters: z.strictObject({ maxInSystem: count.default(CEILING) }),
  create: ({ maxInSystem }): Admission => new AtMost(maxInSystem, true),
});

// --- selection: which variant of its task serves a job -------------------------------------------

/** The most accurate of some pools, the first among equals; undefined of none. */
export function mostAccurateOf({ pools }: System, among: readonly number[]): number | undefined {
  return leastBy(among, (pool) => -(pools[pool].accuracy ?? 0));
}

const mostAccurate = definePolicy({
  name: "most-accurate",
  summary: "the most accurate variant with capacity, else the first",
  idea: "The most accurate variant that has room: jobs that wait there, with this one, fit the next batches of its idle replicas. Where none has room, the first in the scenario that has a replica.",
  reads: "Accuracies, idle replicas and queue lengths of the task's variants.",
  failsWhen: "Batches gain much: it fills the accurate variant with small ones.",
  source: "None needed.",
  create: (_, { system, pools }: SelectionContext): Selection => ({
    choose: (_job, among, view) => {
      const hasRoom = (pool: number): boolean => {
        const { busy, waiting } = view.loadOf(pool);
        const batch = Math.min(pools[pool].batching.maxBatch, system.pools[pool].maxBatch);
        return waiting < (view.readyOf(pool) - busy) * batch;
      };
      const chosen = mostAccurateOf(system, among.filter(hasRoom));
      return chosen ?? among.find((pool) => view.readyOf(pool) > 0) ?? among[0];
    },
  }),
});

// --- ordering: the job that is served next -------------------------------------------------------

const fifo = definePolicy({
  name: "fifo",
  summary: "first in, first out",
  idea: "First come, first served.",
  reads: "The order of entry.",
  failsWhen: "Urgent requests wait behind patient ones.",
  source: "Kleinrock, Queueing Systems I, 1975.",
  create: (): Ordering => ({ kind: "fifo" }),
});

const lifo = definePolicy({
  name: "lifo",
  summary: "last in, first out",
  idea: "The newest first; under overload some are served in time instead of all too late.",
  reads: "The order of entry.",
  failsWhen: "Fairness matters: old requests starve.",
  source: "Kleinrock, Queueing Systems I, 1975.",
  create: (): Ordering => ({ kind: "lifo" }),
});

const edf = definePolicy({
  name: "edf",
  summary: "earliest deadline first",
  idea: "Earliest deadline first; requests without a deadline come last, in order of entry.",
  reads: "Deadlines: arrival plus the request's own time, or the pipeline's SLO.",
  failsWhen: "The pool is overloaded: it serves requests that are about to be late anyway.",
  source: "Liu & Layland, J. ACM 20(1), 1973.",
  create: (): Ordering => ({ kind: "keyed", key: ({ deadlineUs }) => deadlineUs }),
});

const priority = definePolicy({
  name: "priority",
  summary: "highest priority first",
  idea: "The most important pipeline first, and within one first come, first served. A running batch is not interrupted.",
  reads: "Priorities of pipelines, and the order of entry.",
  failsWhen: "The important ones alone can fill the pool: the others starve.",
  source: "Cobham, Operations Research 2(1), 1954.",
  create: (): Ordering => ({ kind: "keyed", key: ({ priority: level }) => -level }),
});

// --- batching: how many jobs start together ------------------------------------------------------

/** Starts what waits at once, up to `maxBatch` jobs. */
export function startsAll(maxBatch: number): GroupBatching {
  return {
    kind: "group",
    maxBatch,
    size: ({ length }) => Math.min(length, maxBatch),
    dueUs: ({ oldestUs }) => oldestUs,
  };
}

const none = definePolicy({
  name: "none",
  summary: "one job at a time",
  idea: "One job at a time.",
  reads: "Nothing.",
  failsWhen: "The device would do several jobs in nearly the time of one.",
  source: "The first scheduler of the 2020 report that this project grew from.",
  create: (): Batching => ({ kind: "single", maxBatch: 1 }),
});

const sizeOrTimeout = definePolicy({
  name: "size-or-timeout",
  summary: "a full batch, or what is there after a wait",
  idea: "Start when the batch is full, or when its oldest job has waited long enough.",
  reads: "The length of the queue, and the wait of its oldest job.",
  failsWhen: "Load is light: every request pays the wait.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 4.3; the tick is that of the 2020 report's loop.",
  parameters: z.strictObject({
    maxBatch: largestBatch(8, "jobs in a full batch"),
    waitMs: ms(20, "longest wait of a batch's oldest job", 1e12),
    tickMs: within(0, 1e12, 0, "timeouts are noticed at multiples of this, in ms; 0: at once"),
  }),
  create: ({ maxBatch, waitMs, tickMs }, context): Batching =>
    sizeOrTimeoutBatching(
      Math.min(maxBatch, context.maxBatch),
      Math.round(waitMs * 1000),
      Math.round(tickMs * 1000),
    ),
});

const preferredSizes = definePolicy({
  name: "preferred-sizes",
  summary: "the largest preferred size there are jobs for, as Triton does",
  idea: "Start the largest preferred batch that the waiting jobs can fill, at once. Where they fill none, start all of them, or, with a delay, wait for more until the oldest job has waited so long; then start all, whatever is preferred.",
  reads: "The length of the queue, and the wait of its oldest job.",
  failsWhen:
    "Jobs are about to be dropped: they count for the size. With a delay, light load pays for it.",
  source:
    'NVIDIA Triton Inference Server, user guide, "Batchers": preferred_batch_size and max_queue_delay_microseconds; dynamic_batch_scheduler.cc. Defaults are its own, but for maxBatch. As documented: its later versions look at preferred sizes only where there is a delay.',
  parameters: z
    .strictObject({
      maxBatch: largestBatch(8, "jobs in the largest batch"),
      preferred: z
        .array(batchSize)
        .max(64)
        .default([])
        .meta({ description: "list of preferred batch sizes", examples: [[4, 8]] }),
      delayMs: ms(0, "longest wait of the oldest job for a preferred or full batch", 1e12),
    })
    .refine(({ maxBatch, preferred }) => preferred.every((size) => size <= maxBatch), {
      path: ["preferred"],
      message: "sizes up to maxBatch",
    }),
  create: ({ maxBatch, preferred, delayMs }, context): Batching => {
    const most = Math.min(maxBatch, context.maxBatch);
    const descending = [...preferred].sort((a, b) => b - a);
    const delayUs = Math.round(delayMs * 1000);
    return {
      kind: "group",
      maxBatch: most,
      size: ({ length, oldestUs }, _, nowUs) => {
        const count = Math.min(length, most);
        if (delayUs > 0 && nowUs >= oldestUs + delayUs) return count;
        const best = descending.find((size) => size <= count);
        if (best !== undefined) return best;
        return delayUs === 0 || count === most ? count : 0;
      },
      dueUs: ({ oldestUs }) => oldestUs + delayUs,
    };
  },
});

// --- shedding: which jobs are dropped instead of started -----------------------------------------

const never = definePolicy({
  name: "never",
  summary: "start every job, unless admission drops late ones",
  idea: "Start every job; the admission `drop-late` may drop those past their deadline.",
  reads: "Nothing.",
  failsWhen: "Answers that come too late are worth nothing, and take the time of others.",
  source: "None needed.",
  create: (): Shedding | undefined => undefined,
});

const expectedLate = definePolicy({
  name: "expected-late",
  summary: "drop a job that would end after its deadline",
  idea: "Drop a job that is about to start if its batch is expected to end after the job's deadline.",
  reads: "Deadlines, and expected service times.",
  failsWhen: "Expectations are wrong, or a late answer is still worth something.",
  source: "Shen et al., Nexus, SOSP 2019, section 6.3 (early drop).",
  create:
    (_, { system: { replicas } }): Shedding | undefined =>
    ({ deadlineUs }, replica, size, nowUs) =>
      nowUs + replicas[replica].service.meanUs[size] > deadlineUs,
});

const queueTimeout = definePolicy({
  name: "queue-timeout",
  summary: "drop a job that has waited too long for a replica",
  idea: "Drop a job that is about to start if it has waited longer than the timeout, however near its deadline is.",
  reads: "When the job's inputs were ready.",
  failsWhen: "Time was lost before the job's own queue: it counts from there only.",
  source:
    'NVIDIA Triton Inference Server, user guide, "Queue Policy": default_timeout_microseconds with the action REJECT, the default.',
  parameters: z.strictObject({
    timeoutMs: within(0, 1e12, 0, "longest wait in the queue, in ms; 0: no limit"),
  }),
  create: ({ timeoutMs }): Shedding | undefined => {
    const timeoutUs = Math.round(timeoutMs * 1000);
    if (timeoutUs === 0) return undefined;
    return ({ enteredUs }, _replica, _size, nowUs) => nowUs - enteredUs > timeoutUs;
  },
});

/** By decision, the simplest first. */
export const TEXTBOOK_RULES = {
  admission: [all, bounded, dropLate],
  selection: [mostAccurate],
  ordering: [fifo, lifo, edf, priority],
  batching: [none, sizeOrTimeout, preferredSizes],
  shedding: [never, expectedLate, queueTimeout],
};
