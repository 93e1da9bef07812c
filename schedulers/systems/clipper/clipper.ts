/** Clipper (Crankshaw et al., NSDI 2017): adaptive batches, learnt variants, ensembles, joins without stragglers. */

import { z } from "zod";
import { EventHeap } from "../../../engine/basics/priority-queues.ts";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import type { GroupBatching } from "../../../engine/dispatch/policies.ts";
import { selectQuantile } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import {
  batchSize,
  defineController,
  definePolicy,
  nonNegative,
  positive,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { goalSharesUs } from "../../rules/ways.ts";
import { allVariants, epsilonGreedy, exp3, exp4 } from "./selection.ts";

/** The largest batch for one replica, by the latencies of its batches so far. */
export interface BatchLimit {
  readonly limit: number;
  /** A batch of `size` jobs took so long. */
  observed(size: number, latencyUs: number): void;
}

interface LimitBounds {
  readonly sloUs: number;
  readonly maxBatch: number;
  readonly additive: number;
  readonly backOff: number;
}

/** Additive increase after a full batch in time, multiplicative decrease after a late one. */
export class Aimd implements BatchLimit {
  limit = 1;
  readonly #bounds: LimitBounds;

  constructor(bounds: LimitBounds) {
    this.#bounds = bounds;
  }

  observed(size: number, latencyUs: number): void {
    const { sloUs, maxBatch, additive, backOff } = this.#bounds;
    if (latencyUs > sloUs) this.limit = Math.max(1, Math.floor(this.limit * backOff));
    // A smaller batch says nothing about the limit: under light load it would grow unproved.
    else if (size >= this.limit) this.limit = Math.min(maxBatch, this.limit + additive);
  }
}

/** Recent batches that the regression reads, and batches between two fits. */
const WINDOW = 100;
const FIT_EVERY = 5;
/** Golden-section steps narrow the slope to 2 × 10⁻⁷ of its range. */
const SEARCH_STEPS = 32;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

interface Line {
  readonly interceptUs: number;
  readonly slopeUs: number;
}

/**
 * The largest batch whose latency quantile, a line in the batch size fitted to recent batches, meets
 * the objective; at most twice the largest batch seen, so that no line is trusted far from its data.
 */
export class QuantileRegression implements BatchLimit {
  limit = 1;
  readonly #bounds: LimitBounds;
  readonly #quantile: number;
  readonly #sizes: number[] = [];
  readonly #latenciesUs: number[] = [];
  #line: Line | null = null;
  #untilFit = 1;

  constructor(bounds: LimitBounds, quantile: number) {
    this.#bounds = bounds;
    this.#quantile = quantile;
  }

  observed(size: number, latencyUs: number): void {
    this.#sizes.push(size);
    this.#latenciesUs.push(latencyUs);
    if (this.#sizes.length > WINDOW) {
      this.#sizes.shift();
      this.#latenciesUs.shift();
    }
    if (--this.#untilFit > 0) return;
    this.#line = this.#fit(size);
    this.#untilFit = this.#line === null ? 1 : FIT_EVERY;
    this.limit = this.#allowed();
  }

  /** With one size in the window only the intercept moves; null before a second size was seen. */
  #fit(size: number): Line | null {
    if (this.#sizes.some((other) => other !== size)) {
      return fitQuantile(this.#sizes, this.#latenciesUs, this.#quantile);
    }
    if (this.#line === null) return null;
    const { slopeUs } = this.#line;
    const levelUs = selectQuantile(Float64Array.from(this.#latenciesUs), this.#quantile);
    return { slopeUs, interceptUs: levelUs - slopeUs * size };
  }

  #allowed(): number {
    const { sloUs, maxBatch, additive } = this.#bounds;
    const seen = Math.max(...this.#sizes);
    if (this.#line === null) {
      const isLate = Math.max(...this.#latenciesUs) > sloUs;
      return isLate ? 1 : Math.min(maxBatch, seen + additive);
    }
    const { interceptUs, slopeUs } = this.#line;
    const most = Math.min(maxBatch, 2 * seen);
    for (let batch = most; batch > 1; batch--) {
      if (Math.round(interceptUs + slopeUs * batch) <= sloUs) return batch;
    }
    return 1;
  }
}

/**
 * The line, of a slope of at least 0, with the least sum of pinball losses. For each slope the best
 * intercept is the quantile of the residuals, and the sum is convex in the slope.
 */
export function fitQuantile(
  sizes: readonly number[],
  latenciesUs: readonly number[],
  quantile: number,
): Line {
  const residuals = new Float64Array(sizes.length);
  const at = (slopeUs: number): Line & { readonly loss: number } => {
    for (let i = 0; i < sizes.length; i++) residuals[i] = latenciesUs[i] - slopeUs * sizes[i];
    const interceptUs = selectQuantile(residuals, quantile);
    let loss = 0;
    for (let i = 0; i < residuals.length; i++) {
      const off = residuals[i] - interceptUs;
      loss += off >= 0 ? quantile * off : (quantile - 1) * off;
    }
    return { slopeUs, interceptUs, loss };
  };
  let low = 0;
  let high = Math.max(...latenciesUs);
  let left = at(high - GOLDEN * high);
  let right = at(GOLDEN * high);
  for (let step = 0; step < SEARCH_STEPS; step++) {
    if (left.loss <= right.loss) {
      high = right.slopeUs;
      right = left;
      left = at(high - GOLDEN * (high - low));
    } else {
      low = left.slopeUs;
      left = right;
      right = at(low + GOLDEN * (high - low));
    }
  }
  return left.loss <= right.loss ? left : right;
}

const adaptive = definePolicy({
  name: "adaptive",
  summary: "as large as each replica's measured latency allows, by AIMD or quantile regression",
  idea:
    "Each replica raises its batch limit by one after a full batch within the latency objective, and lowers it by a " +
    "tenth after a late one; or takes the largest batch whose latency quantile, a fitted line, is within it. A " +
    "smaller batch waits a little for more jobs.",
  reads: "Lengths of batches and their measured latencies, by replica; the queue's length and age.",
  failsWhen:
    "Latency varies at one batch size, so that AIMD backs off without cause; or the queue, not the batch, makes requests late.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, sections 4.3.1 (AIMD, quantile regression) and 4.3.2 (delayed batching). " +
    "Ours: only a full batch raises the limit; the window and the bound on extrapolation.",
  parameters: z.strictObject({
    estimator: z
      .enum(["aimd", "quantile-regression"])
      .default("aimd")
      .describe("how a replica finds its limit"),
    maxBatch: batchSize
      .default(64)
      .describe("no limit grows beyond this; the model's own maximum holds too"),
    sloMs: positive(1e12)
      .optional()
      .describe(
        "latency objective of a batch, in ms; default: the task's share of its SLO, without which batches grow to the maximum",
      ),
    additive: batchSize.default(1).describe("AIMD: jobs added to the limit"),
    backOff: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9)
      .describe("AIMD: the limit is multiplied by this after a late batch"),
    quantile: z
      .number()
      .min(0.5)
      .max(1)
      .default(0.99)
      .describe("quantile regression: share of batches to be in time"),
    waitMs: nonNegative(1e12)
      .default(2)
      .describe("longest wait of a smaller batch's oldest job, in ms"),
  }),
  create: (
    { estimator, sloMs, additive, backOff, quantile, waitMs, ...given },
    { system, pool, ...context },
  ): GroupBatching => {
    const maxBatch = Math.min(given.maxBatch, context.maxBatch);
    const sloUs = sloMs === undefined ? goalSharesUs(system)[pool] : sloMs * 1000;
    const bounds: LimitBounds = { sloUs, maxBatch, additive, backOff };
    const create = (): BatchLimit =>
      estimator === "aimd" ? new Aimd(bounds) : new QuantileRegression(bounds, quantile);
    const limits = new Map<number, BatchLimit>();
    const waitUs = Math.round(waitMs * 1000);
    return {
      kind: "group",
      perReplica: true,
      maxBatch,
      size({ length, oldestUs }, replica, nowUs) {
        const limit = limits.get(replica)?.limit ?? 1;
        if (length >= limit) return limit;
        return nowUs >= oldestUs + waitUs ? length : 0;
      },
      dueUs: ({ oldestUs }) => oldestUs + waitUs,
      ended({ replica, size, startedUs, nowUs, fate }) {
        if (fate !== "ran") return;
        const limit = limits.get(replica) ?? create();
        limits.set(replica, limit);
        limit.observed(size, nowUs - startedUs);
      },
    };
  },
});

interface Due {
  readonly atUs: number;
  readonly request: number;
  readonly pipeline: number;
}

/** By pipeline: one member of each ensemble, and the tasks that join several. */
function joinsOf({ pipelines }: System): readonly (readonly number[])[] {
  return pipelines.map(({ tasks, ensembles }) => [
    ...ensembles.map(({ members }) => members[0]),
    ...tasks.flatMap(({ predecessors, ensemble }, task) =>
      predecessors.length > 1 && ensemble < 0 ? [task] : [],
    ),
  ]);
}

function proceeding(system: System, share: number, imputes: boolean): Controller {
  const joins = joinsOf(system);
  /** Requests with joins that have arrived since the last decision, and their pipelines. */
  const fresh = new Map<number, number>();
  /** By request. A slot is used again, so an entry of the queue counts only if it is here. */
  const open = new Map<number, Due>();
  const queue = new EventHeap<Due>();
  const enqueue = (request: number, pipeline: number, view: ClusterView): void => {
    const { arrivedUs, deadlineUs } = view.job(view.jobOf(request, 0));
    if (!Number.isFinite(deadlineUs)) return;
    const atUs = Math.ceil(arrivedUs + share * (deadlineUs - arrivedUs));
    const due = { atUs, request, pipeline };
    open.set(request, due);
    queue.add(due);
  };
  const decide = (view: ClusterView, act: Controls): void => {
    for (const [request, pipeline] of fresh) enqueue(request, pipeline, view);
    fresh.clear();
    for (;;) {
      const due = queue.first;
      const isOpen = due !== undefined && open.get(due.request) === due;
      if (due === undefined || (isOpen && due.atUs > view.nowUs)) break;
      queue.take();
      if (!isOpen) continue;
      open.delete(due.request);
      for (const task of joins[due.pipeline]) act.proceed(due.request, task, imputes);
    }
    act.wakeAt(0, queue.nextUs);
  };
  return {
    pools: [],
    scales: [],
    timers: 1,
    proceeds: true,
    imputes,
    decide,
    woken: (_timer, view, act) => decide(view, act),
    arrived(request, pipeline) {
      if (joins[pipeline].length > 0) fresh.set(request, pipeline);
    },
    ended(request) {
      fresh.delete(request);
      open.delete(request);
    },
  };
}

const joinDeadline = defineController({
  name: "join-deadline",
  summary: "joins go on without stragglers when the request's time is up",
  idea:
    "At a request's deadline, or a share of the time until it, each of its joins starts with the predecessors that " +
    "have run, or with the first that will. The answer of a predecessor that still waits or runs is imputed: the mean " +
    "of its model's recent answers, or the most frequent one. Its waiting job then leaves its queue. An ensemble answers with the votes that have come, or with the first that will.",
  reads: "Deadlines; which predecessors of a join have run.",
  failsWhen:
    "An answer without all of its own parts is worth nothing, or requests have no deadline: then nothing happens.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 5.2.2 (straggler mitigation). Ours: a join waits for one real answer " +
    "at least; `left-out` has no value in place of a missing one.",
  parameters: z.strictObject({
    share: positive(1)
      .default(1)
      .describe("share of the time from arrival to deadline after which joins go on"),
    missing: z
      .enum(["imputed", "left-out"])
      .default("imputed")
      .describe("whether a straggler's answer is replaced by one like its model's recent answers"),
  }),
  create: ({ share, missing }, { system }) => proceeding(system, share, missing === "imputed"),
});

export const clipper: SystemPack = {
  policies: {
    selection: [exp3, exp4, epsilonGreedy, allVariants],
    batching: [adaptive],
    controller: [joinDeadline],
  },
  presets: {
    clipper: preset(
      "AIMD batches by each replica's latency, variants by feedback, joins without stragglers",
      { selection: "exp3", batching: "adaptive", controller: "join-deadline" },
    ),
  },
};
