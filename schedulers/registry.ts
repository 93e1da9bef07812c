/** Every policy there is, by the decision it makes, and every preset. The one explicit list. */
import type { Admission, Batching, Ordering, Routing, Scaling } from "../core/dispatch/policies.ts";
import type { Decision } from "../core/scenario/schema/scheduler.ts";
import { all, bounded, dropLate } from "./admission/admissions.ts";
import { none } from "./batching/none.ts";
import { sizeOrTimeout } from "./batching/size-or-timeout.ts";
import { edf, fifo, lifo, priority } from "./ordering/orderings.ts";
import type { PolicyDefinition } from "./policy-definition.ts";
import { central } from "./routing/central.ts";
import { joinShortestQueue } from "./routing/join-shortest-queue.ts";
import { leastExpectedWork } from "./routing/least-expected-work.ts";
import { powerOfTwo } from "./routing/power-of-two.ts";
import { random } from "./routing/random.ts";
import { roundRobin } from "./routing/round-robin.ts";
import { concurrency } from "./scaling/concurrency.ts";
import { fixed } from "./scaling/fixed.ts";
import { queueLength } from "./scaling/queue-length.ts";
import { scheduled } from "./scaling/scheduled.ts";
import { targetUtilization } from "./scaling/target-utilization.ts";

export interface Policies {
  readonly admission: readonly PolicyDefinition<Admission>[];
  readonly routing: readonly PolicyDefinition<Routing>[];
  readonly ordering: readonly PolicyDefinition<Ordering>[];
  readonly batching: readonly PolicyDefinition<Batching>[];
  readonly scaling: readonly PolicyDefinition<Scaling | undefined>[];
}

export const POLICIES: Policies = {
  admission: [all, bounded, dropLate],
  routing: [central, roundRobin, random, joinShortestQueue, powerOfTwo, leastExpectedWork],
  ordering: [fifo, lifo, edf, priority],
  batching: [none, sizeOrTimeout],
  scaling: [fixed, targetUtilization, concurrency, queueLength, scheduled],
};

/** A policy by name, alone or with its parameters. */
export type PolicyChoice =
  | string
  | { readonly policy: string; readonly [parameter: string]: unknown };

export type Composition = Readonly<Record<Decision, PolicyChoice>>;

interface Preset {
  readonly summary: string;
  readonly composition: Composition;
}

const PLAIN: Composition = {
  admission: "all",
  routing: "central",
  ordering: "fifo",
  batching: "none",
  scaling: "fixed",
};

const preset = (summary: string, changes: Partial<Composition>): Preset => ({
  summary,
  composition: { ...PLAIN, ...changes },
});

/**
 * The simplest first: where several do equally well, plans and reports name them in this order, and
 * compositions without a preset after them. By how much a scheduler has to know: nothing of the load
 * (`fifo` to `random`), queue lengths (`power-of-two` draws besides), expected work, what requests ask for
 * (`edf`, `priority`), parameters to tune (`batching`); the seed project's come last, as they are kept
 * for comparison only.
 */
export const PRESETS: Readonly<Record<string, Preset>> = {
  fifo: preset("one central queue, first in, first out", {}),
  "round-robin": preset("replicas in turn", { routing: "round-robin" }),
  random: preset("a replica at random", { routing: "random" }),
  "join-shortest-queue": preset("the replica with the fewest jobs", {
    routing: "join-shortest-queue",
  }),
  "power-of-two": preset("the less loaded of two distinct replicas at random", {
    routing: "power-of-two",
  }),
  "least-expected-work": preset("the replica expected to be free first", {
    routing: "least-expected-work",
  }),
  edf: preset("one central queue, earliest deadline first", { ordering: "edf" }),
  priority: preset("one central queue, highest priority first", { ordering: "priority" }),
  batching: preset("one central queue, full batches or a timeout", { batching: "size-or-timeout" }),
  "seed-idle-queue": preset("the seed project's first: longest idle instance, FIFO, no batching", {
    routing: { policy: "central", idle: "longest-idle" },
  }),
  "seed-batching": preset("the seed project's second: stack of idle workers, batches, 1 s tick", {
    routing: { policy: "central", idle: "most-recent" },
    batching: { policy: "size-or-timeout", maxBatch: 3, waitMs: 2000, tickMs: 1000 },
  }),
};
