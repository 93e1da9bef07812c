/** Systems that batch for a latency goal: Clipper, GrandSLAm, Triton, Clockwork, SHEPHERD and Nexus. */
import { sumOf } from "../../../core/statistics/estimate.ts";
import { type Claim, linear, ratioOf, schedulers } from "../claim.ts";
import type { Sections } from "../field.ts";

const greedy = (maxBatch: number): Sections => ({
  batching: { policy: "size-or-timeout", maxBatch, waitMs: 0 },
});

const one = (model: Sections, latencyMs: number): Sections => ({
  pipelines: { p: { slo: { latencyMs }, tasks: { serve: { model: "server" } } } },
  models: { server: model },
  cluster: { replicas: { serve: 1 } },
});

/** Profiles of which batches gain a little and a lot, 20 ms. */
const STEEP = linear(0.5, 4.9, 64);
const FLAT = linear(0.03, 0.9, 1000);

const clipper: Claim = {
  name: "clipper",
  claim: "adaptive batches serve 26 times as much as none for a linear SVM, with a goal of 20 ms",
  source: "Crankshaw et al., Clipper, NSDI 2017; section not verified",
  rebuilt:
    "a burst of 20,000 for one server, with two assumed profiles: 0.5 b + 4.9 ms, and 0.03 b + 0.9 ms as of a model that costs little",
  base: { ...one(STEEP, 20), workload: { arrivals: "burst", requests: 20_000 } },
  arms: Object.fromEntries(
    Object.entries({ steep: STEEP, flat: FLAT }).flatMap(([name, server]) =>
      ["fifo", "clipper"].map((scheduler) => [
        `${scheduler}/${name}`,
        { scheduler, models: { server } },
      ]),
    ),
  ),
  metrics: ["makespanMs"],
  figures: (runs) =>
    ["flat", "steep"].map((name) =>
      runs.ratio(
        `throughput over that without batches, ${name} profile`,
        `fifo/${name}`,
        `clipper/${name}`,
        "makespanMs",
      ),
    ),
  difference:
    "The gain is the profile's: at the goal a batch of the flat one holds 636 jobs. AIMD's climb by one and its backing off cost some of it.",
};

const LOADS = [100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 650, 700, 750];
const SIZES = [4, 8, 16, 32];

const batched = (meanMs: number): Sections => ({
  service: { distribution: "deterministic", meanMs, batch: { marginal: 0.2, max: 32 } },
});

const shared: Sections = {
  pipelines: {
    tight: { slo: { latencyMs: 40 }, tasks: { shared: { model: "first" } } },
    loose: {
      slo: { latencyMs: 200 },
      tasks: { shared: { model: "first" }, own: { model: "second", after: ["shared"] } },
    },
  },
  models: { first: batched(10), second: batched(8) },
  cluster: { replicas: { shared: 2, own: 2 } },
};

const LONG = 6;
const long: Sections = {
  pipelines: {
    long: {
      slo: { latencyMs: 150 },
      tasks: Object.fromEntries(
        Array.from({ length: LONG }, (_, i) => [
          `t${i}`,
          { model: "stage", ...(i === 0 ? {} : { after: [`t${i - 1}`] }) },
        ]),
      ),
    },
  },
  models: { stage: batched(10) },
  cluster: { replicas: Object.fromEntries(Array.from({ length: LONG }, (_, i) => [`t${i}`, 2])) },
};

const grandslamArms: Readonly<Record<string, unknown>> = {
  fifo: "fifo",
  grandslam: "grandslam",
  ...Object.fromEntries(SIZES.map((size) => [`batches of ${size}`, greedy(size)])),
  ...Object.fromEntries(
    SIZES.map((size) => [
      `full batches of ${size}`,
      { batching: { policy: "size-or-timeout", maxBatch: size, waitMs: 10 } },
    ]),
  ),
};
const FIXED = Object.keys(grandslamArms).filter((name) => name.includes("batches"));

const grandslam: Claim = {
  name: "grandslam",
  claim: "up to three times the throughput at the same SLA, for microservices that pipelines share",
  source: "Kannan et al., GrandSLAm, EuroSys 2019, abstract (our version is reconstructed)",
  rebuilt:
    "two pipelines (goals of 40 and 200 ms) share a task; and one pipeline of six tasks (150 ms); the largest load at which 99% are in time",
  base: { ...shared, workload: { arrivals: "poisson", ratePerS: 100, requests: 8000, warmupS: 1 } },
  arms: Object.fromEntries(
    Object.entries({ shared, long }).flatMap(([name, sections]) =>
      Object.entries(grandslamArms).flatMap(([arm, scheduler]) =>
        LOADS.map((ratePerS) => [
          `${name}/${arm}/${ratePerS}`,
          {
            ...sections,
            scheduler,
            workload: { arrivals: "poisson", ratePerS, requests: 8000, warmupS: 1 },
          },
        ]),
      ),
    ),
  ),
  metrics: ["sloAttainmentRatio"],
  figures: (runs) =>
    ["shared", "long"].flatMap((name) => {
      const capacity = (arm: string): number[] =>
        runs.capacity(
          LOADS.map((ratePerS) => [`${name}/${arm}/${ratePerS}`, ratePerS] as const),
          0.99,
        );
      const own = capacity("grandslam");
      const best = FIXED.map((arm) => ({ arm, capacity: capacity(arm) })).reduce((a, b) =>
        sumOf(b.capacity) > sumOf(a.capacity) ? b : a,
      );
      const where = name === "shared" ? "shared task" : "six tasks";
      return [
        { about: `${where}: load over fifo's`, value: ratioOf(own, capacity("fifo")), unit: "×" },
        {
          about: `${where}: over that of ${best.arm}, the best of one size for all`,
          value: ratioOf(own, best.capacity),
          unit: "×",
        },
      ];
    }),
  difference:
    "Against no batches the gain is the paper's or more. Against batches of one well-chosen size it is small, and on the long pipeline it may be a loss.",
};

const triton: Claim = {
  name: "triton",
  claim:
    "dynamic batching raises throughput over one request at a time, by as much as the model's batches gain",
  source: "Triton Inference Server, user guide, Dynamic Batcher",
  rebuilt: "one server, 0.5 b + 4.9 ms up to 8 jobs, at 0.5 and at 3 times its capacity one by one",
  base: {
    ...one(linear(0.5, 4.9, 8), 100),
    workload: { arrivals: "poisson", ratePerS: 90, requests: 20_000 },
  },
  arms: Object.fromEntries(
    [90, 560].flatMap((ratePerS) =>
      ["fifo", "triton"].map((scheduler) => [
        `${scheduler}/${ratePerS}`,
        { scheduler, workload: { arrivals: "poisson", ratePerS, durationS: 60 } },
      ]),
    ),
  ),
  metrics: ["throughputPerS", "latencyMeanMs"],
  figures: (runs) => [
    runs.ratio("throughput over fifo's under overload", "triton/560", "fifo/560", "throughputPerS"),
    runs.ratio("latency over fifo's at half load", "triton/90", "fifo/90", "latencyMeanMs"),
  ],
  difference:
    "None: batches of 8 take 8.9 ms, so the most is 8 × 5.4 / 8.9 = 4.85; the load asked for 3.",
};

const BURSTS = {
  arrivals: "mmpp",
  states: [
    { ratePerS: 120, meanS: 2 },
    { ratePerS: 700, meanS: 0.3 },
  ],
  durationS: 60,
};

const onTwoDevices = (models: Readonly<Record<string, Sections>>, latencyMs: number): Sections => ({
  models,
  pipelines: Object.fromEntries(
    Object.keys(models).map((name) => [
      name,
      { slo: { latencyMs }, tasks: { [name]: { model: name } } },
    ]),
  ),
  cluster: {
    nodes: [
      { name: "host", devices: { gpu: { slots: 2, sharing: { kind: "processor-sharing" } } } },
    ],
    replicas: Object.fromEntries(Object.keys(models).map((name) => [name, 2])),
  },
});

const sixModels = Object.fromEntries(
  ["a", "b", "c", "d", "e", "f"].map((name, i) => [
    name,
    linear(0.3 * (4 + 2 * i), 0.7 * (4 + 2 * i), 16),
  ]),
);

const clockwork: Claim = {
  name: "clockwork",
  claim:
    "answers meet a goal of 100 ms in 99.9999% of cases; requests that cannot are refused early",
  source:
    "Gujarati et al., Clockwork, OSDI 2020; section not verified (MAF trace, about 4,000 models; unconfirmed figure)",
  rebuilt: "six models on two devices, bursts of six times the usual load",
  base: { ...onTwoDevices(sixModels, 100), workload: BURSTS },
  arms: { fifo: { scheduler: greedy(16) }, ...schedulers("clockwork") },
  metrics: ["sloAttainmentRatio", "dropRatio", "latencyP99Ms"],
  figures: (runs) => [
    ...["clockwork", "fifo"].map((arm) => ({
      about: `late answers, ${arm}${arm === "fifo" ? " with batches" : ""}`,
      value: lateAnswers(runs.samples(arm, "sloAttainmentRatio"), runs.samples(arm, "dropRatio")),
      unit: "%",
    })),
    runs.points(
      "within the goal, of all requests, more than fifo",
      "clockwork",
      "fifo",
      "sloAttainmentRatio",
    ),
  ],
  difference:
    "No answer is late, as claimed, because times here do not vary; the requests that are refused for it count against it in the field below.",
};

function lateAnswers(attained: readonly number[], dropped: readonly number[]) {
  const late = attained.map((ratio, i) => (100 * (1 - dropped[i] - ratio)) / (1 - dropped[i]));
  return ratioOf(
    late.map((share) => Math.max(0, Math.round(share * 1e9) / 1e9)),
    late.map(() => 1),
  );
}

/** α and β in ms. Source: SHEPHERD, NSDI 2023, table 4, without BERT. */
const TABLE: Readonly<Record<string, readonly [number, number]>> = {
  ...{ RN18: [0.22, 3.74], RN34: [0.38, 5.78], RN50: [0.75, 7.96], RN101: [1.25, 13.57] },
  ...{ RN152: [1.77, 18.98], RS50: [1.18, 15.39], RS101: [1.91, 29.21], RS200: [3.35, 45.43] },
  ...{ RS269: [4.37, 74.2], DN121: [0.69, 19.96], DN161: [1.74, 23.1], DN169: [0.83, 27.47] },
  ...{ DN201: [1.12, 32.33], GN: [0.25, 8.41], I3: [0.96, 11.77], RCNN: [2.59, 14.9] },
};

const shepherd: Claim = {
  name: "shepherd",
  claim: "goodput 4.6 times that of Clockwork and 7.1 times that of Nexus (18.1 in bursts)",
  source:
    "Zhang et al., SHEPHERD, NSDI 2023, abstract (18.1) and table 4 (models); section of 4.6 and 7.1 not verified",
  rebuilt:
    "16 models of the paper's table 4 on two devices, goal 250 ms, bursts of 15 times the usual load",
  base: {
    ...onTwoDevices(
      Object.fromEntries(
        Object.entries(TABLE).map(([name, [slopeMs, fixedMs]]) => [
          name,
          linear(slopeMs, fixedMs, 128),
        ]),
      ),
      250,
    ),
    workload: {
      arrivals: "mmpp",
      states: [
        { ratePerS: 100, meanS: 1 },
        { ratePerS: 1500, meanS: 0.4 },
      ],
      durationS: 30,
    },
  },
  arms: {
    fifo: { scheduler: greedy(128) },
    ...schedulers("shepherd", "clockwork", "nexus"),
  },
  metrics: ["goodputPerS"],
  figures: (runs) =>
    ["clockwork", "nexus", "fifo"].map((other) =>
      runs.ratio(
        `goodput over that of ${other}${other === "fifo" ? " with batches" : ""}`,
        "shepherd",
        other,
        "goodputPerS",
      ),
    ),
  difference:
    "Ahead of both, as claimed, by less; and the paper has Nexus behind Clockwork. Ours has 2 devices for its 12, synthetic bursts for its 46,000 streams, and a Nexus that knows its rates after 10 s.",
};

const FOUR = Object.fromEntries(
  ["a", "b", "c", "d"].map((name, i) => [name, linear(0.15 * (8 + 4 * i), 0.85 * (8 + 4 * i), 64)]),
);

const nexus: Claim = {
  name: "nexus",
  claim: "1.8 to 12.7 times the rate of other systems with 99% of requests within the goal",
  source: "Shen et al., Nexus, SOSP 2019, abstract",
  rebuilt:
    "four pipelines that end in one shared task, on three devices, 400 requests per s, goal 300 ms",
  base: {
    ...onTwoDevices(FOUR, 300),
    pipelines: Object.fromEntries(
      Object.keys(FOUR).map((name) => [
        name,
        {
          slo: { latencyMs: 300 },
          tasks: { [name]: { model: name }, last: { model: "a", after: [name] } },
        },
      ]),
    ),
    cluster: {
      nodes: [
        { name: "host", devices: { gpu: { slots: 3, sharing: { kind: "processor-sharing" } } } },
      ],
      replicas: { a: 3, b: 3, c: 3, d: 3, last: 3 },
    },
    workload: { arrivals: "poisson", ratePerS: 400, durationS: 30 },
  },
  arms: {
    fifo: { scheduler: greedy(64) },
    ...schedulers("nexus", "clipper"),
  },
  metrics: ["goodputPerS", "sloAttainmentRatio"],
  figures: (runs) => [
    runs.ratio("goodput over that of fifo with batches", "nexus", "fifo", "goodputPerS"),
    ...["nexus", "clipper"].map((arm) =>
      runs.percent(`within the goal, ${arm}`, arm, "sloAttainmentRatio"),
    ),
  ],
  difference:
    "Within the paper's range. The others let batches of all models slow each other down on a device; Nexus runs them in turn.",
};

export const BATCHES: readonly Claim[] = [clipper, grandslam, triton, clockwork, shepherd, nexus];
