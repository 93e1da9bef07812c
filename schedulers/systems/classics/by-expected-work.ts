/** Orders by expected work: of the job, of all that its request has ahead, and of that beside its deadline. */
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { Ordering } from "../../../engine/dispatch/policies.ts";
import type { System } from "../../../engine/system/system.ts";
import { definePolicy } from "../../rules/policy-definition.ts";
import { ExpectedWork } from "../../rules/ways.ts";

function keyed(system: System, keyOf: (work: ExpectedWork, job: JobView) => number): Ordering {
  const work = new ExpectedWork(system);
  return { kind: "keyed", key: (job) => keyOf(work, job) };
}

export const shortestExpected = definePolicy({
  name: "shortest-expected",
  summary: "shortest expected service first",
  idea: "The job with the shortest expected service first; a running one is not interrupted.",
  reads:
    "Mean service times, and the sizes of inputs where times depend on them and sizes are known.",
  failsWhen:
    "Load is high: long jobs starve. All jobs of a task are alike without known sizes: first in, first out then.",
  source:
    "Phipps, Operations Research 4(1), 1956; mean wait by Cobham, Operations Research 2(1), 1954.",
  create: (_, { system, pool }) =>
    keyed(system, (work, { inputSize }) => work.timeUs(pool, inputSize)),
});

export const leastRemaining = definePolicy({
  name: "least-remaining",
  summary: "least expected remaining work first",
  idea: "The request with the least expected work ahead first: the job and all that follows it, each task by its probability. A running job is not interrupted.",
  reads:
    "Mean service times, probabilities of branches and caches, and the sizes of inputs where known.",
  failsWhen:
    "Long pipelines starve beside short ones. Branches that run beside the job are not counted.",
  source:
    "Schrage, Operations Research 16(3), 1968 (SRPT), with expected times and between tasks only.",
  create: (_, { system }) => keyed(system, (work, job) => work.remainingUs(job)),
});

export const leastSlack = definePolicy({
  name: "least-slack",
  summary: "least slack first: the deadline less the work that remains",
  idea: "The request whose deadline leaves the least room first: deadline − now − expected remaining work. `now` is the same for all, so that a job's place does not change while it waits.",
  reads: "Deadlines, and what `least-remaining` reads.",
  failsWhen:
    "The pool is overloaded: it serves requests that are about to be late anyway. Work of parallel branches is added up.",
  source: "Mok, PhD thesis, MIT, 1983 (least laxity), without preemption.",
  create: (_, { system }) => keyed(system, (work, job) => job.deadlineUs - work.remainingUs(job)),
});
