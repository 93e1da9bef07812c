/** Orders and routes of queueing theory, and the two schedulers of the project's first report. */
import { type Claim, fixed, schedulers } from "../claim.ts";
import type { Sections } from "../field.ts";

const server = { serve: { model: "server" } };
const exponential = { service: { distribution: "exponential", meanMs: 10 } };

const SIZES = [20, 60, 60, 300];
const sized: Sections = {
  pipelines: { p: { tasks: server } },
  models: { server: { ...fixed(10), inputScaling: { reference: 100 } } },
  workload: {
    ...{ arrivals: "poisson", ratePerS: 70, requests: 20_000, warmupS: 20 },
    inputSize: { distribution: "empirical", samples: SIZES },
  },
};

/** Mean waits of M/G/1 for the sizes above, ms: by Pollaczek and Khinchine, and by Cobham, shortest first. */
function sizedWaitsMs(): { readonly fifo: number; readonly shortest: number } {
  const rate = 0.07 / SIZES.length;
  const times = SIZES.map((size) => size / 10);
  const residual = times.reduce((sum, time) => sum + (rate * time * time) / 2, 0);
  const load = (isOne: (time: number) => boolean): number =>
    times.filter(isOne).reduce((sum, time) => sum + rate * time, 0);
  const waits = times.map(
    (own) => residual / (1 - load((time) => time < own)) / (1 - load((time) => time <= own)),
  );
  return {
    fifo: residual / (1 - load(() => true)),
    shortest: waits.reduce((sum, wait) => sum + wait, 0) / waits.length,
  };
}

const EXACT = sizedWaitsMs();

const sjf: Claim = {
  name: "sjf",
  claim: `shortest first makes the mean wait of this M/G/1 ${(EXACT.shortest / EXACT.fifo).toFixed(3)} of that of fifo`,
  source: "Cobham, Operations Research 2(1), 1954; Pollaczek and Khinchine",
  rebuilt: "one server at load 0.77, inputs of sizes 20, 60, 60 and 300",
  base: sized,
  arms: schedulers("fifo", "sjf"),
  metrics: ["queueWaitMeanMs"],
  figures: (runs) => [runs.ratio("wait of sjf over fifo's", "sjf", "fifo", "queueWaitMeanMs")],
  difference: "None beyond chance: the case is exact.",
};

const chain: Sections = {
  ...sized,
  pipelines: { p: { tasks: { a: { model: "server" }, b: { model: "server", after: ["a"] } } } },
  cluster: { replicas: { a: 1, b: 1 } },
};

const srpt: Claim = {
  name: "srpt",
  claim: "least remaining work first has the least mean latency of all orders on one server",
  source: "Schrage, Operations Research 16(3), 1968",
  rebuilt: "two such servers in a chain; a running job is not interrupted",
  base: chain,
  arms: schedulers("fifo", "sjf", "srpt"),
  metrics: ["latencyMeanMs"],
  figures: (runs) => [
    runs.ratio("latency of srpt over fifo's", "srpt", "fifo", "latencyMeanMs"),
    runs.ratio("over sjf's", "srpt", "sjf", "latencyMeanMs"),
  ],
  difference:
    "The theorem is for one server that may be interrupted. In a chain of equal stages the remaining work orders as the own size does, so it has no lead over sjf.",
};

const leastSlack: Claim = {
  name: "least-slack",
  claim: "least slack meets every set of deadlines that some order on one server meets",
  source: "Mok, PhD thesis, MIT, 1983",
  rebuilt:
    "two pipelines share a task; after it the one has 100 ms of work left, the other none; goal 160 ms",
  base: {
    pipelines: {
      short: { slo: { latencyMs: 160 }, tasks: { a: { model: "small" } } },
      long: {
        slo: { latencyMs: 160 },
        tasks: { a: { model: "small" }, b: { model: "big", after: ["a"] } },
      },
    },
    models: { small: fixed(10), big: fixed(100) },
    cluster: { replicas: { a: 1, b: 20 } },
    workload: { arrivals: "poisson", ratePerS: 90, requests: 8000 },
  },
  arms: schedulers("fifo", "edf", "least-slack"),
  metrics: ["sloAttainmentRatio"],
  figures: (runs) =>
    ["edf", "fifo"].map((other) =>
      runs.points(
        `within the goal, more than ${other}`,
        "least-slack",
        other,
        "sloAttainmentRatio",
      ),
    ),
  difference:
    "The theorem says nothing of overload, which a load of 0.9 has at times; the order still gains.",
};

const wide = (replicas: number, ratePerS: number): Sections => ({
  pipelines: { p: { tasks: server } },
  models: { server: exponential },
  cluster: { replicas: { serve: replicas } },
  workload: { arrivals: "poisson", ratePerS, requests: 40_000, warmupS: 3 },
});

const joinIdle: Claim = {
  name: "join-idle-queue",
  claim: "30-fold less queueing overhead than power-of-two at medium to high load",
  source: "Lu et al., Performance Evaluation 68(11), 2011, abstract",
  rebuilt: "100 exponential servers at load 0.9, one dispatcher",
  base: wide(100, 9000),
  arms: schedulers("power-of-two", "join-idle-queue"),
  metrics: ["queueWaitMeanMs"],
  figures: (runs) => [
    runs.ratio(
      "wait of power-of-two over join-idle-queue's",
      "power-of-two",
      "join-idle-queue",
      "queueWaitMeanMs",
    ),
  ],
  difference:
    "The paper's figure is for servers without number and for dispatchers that do not know each other's servers; ours has one dispatcher and a hundred servers.",
};

const stealing: Claim = {
  name: "work-stealing",
  claim:
    "queues that steal from each other serve as one queue does: no server idles while a job waits",
  source: "Blumofe and Leiserson, J. ACM 46(5), 1999 (the idea); M/M/n as the bound",
  rebuilt: "5 exponential servers at load 0.8, jobs in turn",
  base: wide(5, 400),
  arms: schedulers("fifo", "round-robin", "work-stealing"),
  metrics: ["latencyMeanMs"],
  figures: (runs) => [
    runs.ratio("latency over that of one queue", "work-stealing", "fifo", "latencyMeanMs"),
    runs.ratio("of the same turns without stealing", "round-robin", "fifo", "latencyMeanMs"),
  ],
  difference: "None beyond chance.",
};

const twoSpeeds: Sections = {
  ...wide(2, 300),
  cluster: {
    nodes: [{ name: "n", devices: { fast: { slots: 1, speed: 4 }, slow: 1 } }],
    replicas: { serve: 2 },
  },
};

const weightedTurns: Claim = {
  name: "weighted-round-robin",
  claim: "turns in proportion to speed keep unequal servers stable up to their whole capacity",
  source: "nginx, smooth weighted round robin",
  rebuilt: "one server four times as fast as the other, at 0.6 of the capacity of both",
  base: twoSpeeds,
  arms: schedulers("round-robin", "weighted-round-robin", "least-expected-work"),
  metrics: ["latencyMeanMs"],
  figures: (runs) => [
    runs.mean("latency with weights", " ms", "weighted-round-robin", "latencyMeanMs"),
    runs.mean("without (unstable)", " ms", "round-robin", "latencyMeanMs"),
    runs.mean("by least expected work", " ms", "least-expected-work", "latencyMeanMs"),
  ],
  difference: "As claimed; it looks at no queue, so a rule that does is better.",
};

const overloaded: Sections = {
  pipelines: { x: { tasks: server }, y: { tasks: server } },
  models: { server: exponential },
  cluster: { replicas: { serve: 1 } },
  workload: {
    ...{ arrivals: "poisson", ratePerS: 400, durationS: 60 },
    client: { timeoutMs: 1000 },
  },
};

const fair: Claim = {
  name: "weighted-fair",
  claim:
    "a flow of weight 3 beside one of weight 1 gets 75% of a saturated server, whatever either sends",
  source: "Demers, Keshav and Shenker, SIGCOMM 1989; Parekh and Gallager, IEEE/ACM ToN 1(3), 1993",
  rebuilt:
    "two pipelines that send as much, four times what the server can do; clients give up after 1 s",
  base: overloaded,
  arms: {
    fifo: { scheduler: "fifo" },
    fair: { scheduler: { ordering: { policy: "weighted-fair", weights: { y: 3 } } } },
  },
  metrics: ["throughputPerS"],
  figures: (runs) =>
    ["fair", "fifo"].map((arm) => {
      const [x, y] = ["x", "y"].map((name) => runs.answers(arm, name));
      const all = x.mean + y.mean;
      return {
        about: arm === "fair" ? "share of y" : "with fifo",
        value: {
          mean: (100 * y.mean) / all,
          // The delta method, with the worst dependence.
          halfWidth95: (100 * (y.halfWidth95 * x.mean + x.halfWidth95 * y.mean)) / all ** 2,
        },
        unit: "%",
      };
    }),
  difference: "A little less, as clients that give up leave the queue of the heavier pipeline too.",
};

const held: Sections = {
  pipelines: {
    p: {
      discipline: "pipeline-held",
      tasks: { detect: { model: "detector" }, plate: { model: "reader", after: ["detect"] } },
    },
  },
  models: { detector: fixed(2900), reader: fixed(1720) },
  cluster: { replicas: { detect: 25, plate: 25 } },
  workload: { arrivals: "burst", requests: 50 },
};

const seedQueue: Claim = {
  name: "seed-idle-queue",
  claim: "50 requests at once take 9.29 s with 25 instances of each task",
  source: "the project's first report, 2020, table 5.1",
  rebuilt: "the same burst; a request holds a detector and a reader, 4.62 s in all",
  base: held,
  arms: schedulers("seed-idle-queue"),
  metrics: ["makespanMs"],
  figures: (runs) => [runs.mean("time for all", " s", "seed-idle-queue", "makespanMs", 1e-3)],
  difference: "Half a percent less: the report's run had messages and threads between the models.",
};

const seedBatches: Claim = {
  name: "seed-batching",
  claim: "batches of up to 3 raise throughput; a tick of one second decides when they start",
  source: "the project's first report, 2020 (its code; it has no table for this scheduler)",
  rebuilt:
    "5 servers, batches at 30% of the time for each further job, at 0.5 and 1.5 of the capacity one by one",
  base: {
    ...wide(5, 25),
    pipelines: { p: { slo: { latencyMs: 1500 }, tasks: server } },
    models: {
      server: {
        service: { distribution: "deterministic", meanMs: 100, batch: { marginal: 0.3, max: 3 } },
      },
    },
  },
  arms: Object.fromEntries(
    [25, 75].flatMap((ratePerS) =>
      ["fifo", "seed-batching"].map((scheduler) => [
        `${scheduler}/${ratePerS}`,
        { scheduler, workload: { arrivals: "poisson", ratePerS, durationS: 200, warmupS: 5 } },
      ]),
    ),
  ),
  metrics: ["latencyMeanMs", "throughputPerS"],
  figures: (runs) => [
    runs.ratio(
      "throughput over fifo's under overload",
      "seed-batching/75",
      "fifo/75",
      "throughputPerS",
    ),
    runs.ratio("latency over fifo's at half load", "seed-batching/25", "fifo/25", "latencyMeanMs"),
  ],
  difference: "It does raise throughput, but jobs wait for the tick at light load too.",
};

export const ORDERS: readonly Claim[] = [
  ...[sjf, srpt, leastSlack, joinIdle, stealing, weightedTurns, fair, seedQueue, seedBatches],
];
