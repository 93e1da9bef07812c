import {
  latencyFixedBatches,
  waitExponentialBatches,
  waitToFill,
} from "../formulas/batch-service.ts";
import { type Family, open, queue, type TheoryCase } from "./case.ts";

/** Past this many requests left behind by a batch, none of the chains here has any weight. */
const ROOM = 400;
const LARGEST = 1024;

const batching = (maxBatch: number, waitMs: number): unknown => ({
  batching: { policy: "size-or-timeout", maxBatch, waitMs },
});

const model = (
  distribution: string,
  meanMs: number,
  marginal: number,
): Record<string, unknown> => ({
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
