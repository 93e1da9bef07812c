/** One server that takes up to so many waiting requests at once. */
import { type Family, open, queue, type Section, type TheoryCase } from "./case.ts";

/**
 * Mean wait where a batch takes an exponential time, however many it holds.
 * Source: Medhi, Stochastic Models in Queueing Theory, 2003, section 4.3: the queue while busy is
 * geometric in the root of mu z^(b+1) − (lambda + mu) z + lambda.
 */
export function waitExponentialBatches(rate: number, mean: number, most: number): number {
  const serviceRate = 1 / mean;
  let root = 0;
  for (let i = 0; i < 10_000; i++) {
    root = (rate + serviceRate * root ** (most + 1)) / (rate + serviceRate);
  }
  const idle = 1 / (1 + (rate * mean) / (1 - root));
  const queue = (rate * mean * idle * root) / (1 - root) ** 2;
  return queue / rate;
}

/**
 * Mean latency where a batch of b takes the constant `time(b)`, with at most `most` in a batch:
 * the chain of requests left behind by a batch, solved numerically. A batch starts as soon as the
 * server is free and somebody waits. `room` bounds the chain and must hold nearly all of it.
 * Source: Neuts, "A general class of bulk queues with Poisson input", Annals of Mathematical
 * Statistics 38(3), 1967.
 */
export function latencyFixedBatches(
  rate: number,
  time: (batch: number) => number,
  most: number,
  room: number,
): number {
  const sizeAfter = (left: number): number => Math.min(Math.max(left, 1), most);
  const arrivals = new Map<number, number[]>();
  for (let left = 0; left <= room; left++) {
    const size = sizeAfter(left);
    if (!arrivals.has(size)) arrivals.set(size, poisson(rate * time(size), room));
  }
  let share = new Array<number>(room + 1).fill(0);
  share[0] = 1;
  for (let step = 0, change = 1; step < 200_000 && change > 1e-13; step++) {
    const next = new Array<number>(room + 1).fill(0);
    share.forEach((probability, left) => {
      if (probability < 1e-18) return;
      const behind = Math.max(left, 1) - sizeAfter(left);
      const coming = arrivals.get(sizeAfter(left)) ?? [];
      for (let n = 0; n + behind <= room; n++) next[n + behind] += probability * coming[n];
    });
    change = next.reduce((sum, p, i) => sum + Math.abs(p - share[i]), 0);
    share = next;
  }
  // Per batch: the time until the next one starts after it, and the area under the queue.
  let cycle = 0;
  let inSystem = 0;
  share.forEach((probability, left) => {
    const size = sizeAfter(left);
    const busy = time(size);
    cycle += probability * (busy + (left === 0 ? 1 / rate : 0));
    inSystem += probability * (Math.max(left, 1) * busy + (rate * busy * busy) / 2);
  });
  return inSystem / cycle / rate;
}

/** Mean wait for a batch of exactly `size` to fill: an arrival waits for (size − 1) / 2 others. */
export function waitToFill(rate: number, size: number): number {
  return (size - 1) / (2 * rate);
}

function poisson(mean: number, most: number): number[] {
  const result = [Math.exp(-mean)];
  for (let n = 1; n <= most; n++) result.push((result[n - 1] * mean) / n);
  return result;
}

/** The chains stop here: in every case, more requests left behind by a batch have a negligible probability. */
const ROOM = 400;
const LARGEST = 1024;

const batching = (maxBatch: number, waitMs: number): unknown => ({
  batching: { policy: "size-or-timeout", maxBatch, waitMs },
});

const model = (distribution: string, meanMs: number, marginal: number): Section => ({
  service: { distribution, meanMs, batch: { marginal, max: LARGEST } },
});

const exponentialBatches: TheoryCase = {
  name: "M/M[4]/1, 250 per second",
  scenario: queue({
    workload: open(250, 100_000),
    server: model("exponential", 10, 0),
    scheduler: batching(4, 0),
  }),
  exact: { queueWaitMeanMs: waitExponentialBatches(0.25, 10, 4) },
};

const fixedBatches: TheoryCase = {
  name: "M/D[4]/1, 280 per second",
  scenario: queue({
    workload: open(280, 80_000),
    server: model("deterministic", 10, 0),
    scheduler: batching(4, 0),
  }),
  exact: { latencyMeanMs: latencyFixedBatches(0.28, () => 10, 4, ROOM) },
};

/** A batch of b takes `perJob` b + `fixed` ms. */
function growing(
  ratePerS: number,
  perJob: number,
  fixed: number,
  most: number,
  requests: number,
): TheoryCase {
  const one = perJob + fixed;
  const limit = most === LARGEST ? "any number" : `up to ${most}`;
  return {
    name: `batches of ${limit} in ${perJob} b + ${fixed} ms, ${ratePerS} per second`,
    scenario: queue({
      workload: open(ratePerS, requests),
      server: model("deterministic", one, perJob / one),
      scheduler: batching(most, 0),
    }),
    exact: {
      latencyMeanMs: latencyFixedBatches(ratePerS / 1000, (b) => perJob * b + fixed, most, ROOM),
    },
  };
}

/** Replicas in plenty. Runs end with a full batch, for the last would wait for ever. */
const filling: TheoryCase = {
  name: "full batches of 8 only, replicas in plenty",
  scenario: queue({
    workload: { arrivals: "poisson", ratePerS: 200, requests: 32_000 },
    server: model("deterministic", 3, 0),
    replicas: 64,
    scheduler: batching(8, 1e7),
  }),
  exact: { latencyMeanMs: waitToFill(0.2, 8) + 3, batchSizeMean: 8 },
};

/** Its first job waits for all of the window, those that join it for half of it on average. */
function windowed(ratePerS: number, waitMs: number): TheoryCase {
  const others = (ratePerS * waitMs) / 1000;
  return {
    name: `a window of ${waitMs} ms, replicas in plenty`,
    scenario: queue({
      workload: open(ratePerS, 40_000),
      server: model("deterministic", 3, 0),
      replicas: 64,
      scheduler: batching(64, waitMs),
    }),
    exact: {
      batchSizeMean: 1 + others,
      queueWaitMeanMs: (waitMs + (others * waitMs) / 2) / (1 + others),
    },
  };
}

export const batches: Family = {
  title: "Batches",
  source:
    "the bulk-service queue (Medhi, Stochastic Models in Queueing Theory, 4.3) and the chain of " +
    "what a batch leaves behind (Neuts 1967), which keeps below Inoue's bound of 2021",
  cases: [
    exponentialBatches,
    fixedBatches,
    growing(300, 2, 5, LARGEST, 80_000),
    growing(120, 5, 5, LARGEST, 80_000),
    growing(200, 3, 5, 4, 100_000),
    filling,
    windowed(200, 15),
  ],
};
