/** Systems that decide who gets which resources: DRF, Mesos, AlpaServe, locality. */
import { type Claim, fixed, schedulers } from "../claim.ts";
import type { Sections } from "../field.ts";

const SHARED = { slot: { slots: 1, shared: true } };
const whole: Sections = {
  nodes: [{ name: "n", devices: SHARED, resources: { cpu: 9, gb: 18 } }],
  replicas: { a: 9, b: 6 },
};
const halves: Sections = {
  nodes: ["x", "y"].map((name) => ({ name, devices: SHARED, resources: { cpu: 4.5, gb: 9 } })),
  replicas: { a: 9, b: 6 },
  placement: [
    { task: "a", node: "x", replicas: 9 },
    { task: "b", node: "y", replicas: 6 },
  ],
};

/** A takes 1 CPU and 4 GB, B 3 CPUs and 1 GB. */
const users: Sections = {
  pipelines: { B: { tasks: { b: { model: "b" } } }, A: { tasks: { a: { model: "a" } } } },
  models: {
    a: fixed(100, { demand: { cpu: 1, gb: 4 } }),
    b: fixed(100, { demand: { cpu: 3, gb: 1 } }),
  },
  cluster: whole,
};

const drf: Claim = {
  name: "drf",
  claim:
    "on 9 CPUs and 18 GB, A ⟨1 CPU, 4 GB⟩ runs 3 tasks and B ⟨3 CPUs, 1 GB⟩ 2: equal dominant shares of 2/3",
  source:
    "Ghodsi et al., Dominant Resource Fairness, NSDI 2011, table 1 (order of tasks); section not verified",
  rebuilt:
    "both have more to do than the machine can (50 of A and 50 of B a second, tasks of 100 ms); clients give up after a second",
  base: {
    ...users,
    workload: {
      ...{ arrivals: "poisson", ratePerS: 100, durationS: 60 },
      client: { timeoutMs: 1000 },
    },
  },
  arms: schedulers("fifo", "drf"),
  metrics: ["throughputPerS"],
  figures: (runs) =>
    ["drf", "fifo"].flatMap((arm) =>
      ["a", "b"].map((task) => {
        // Tasks of 100 ms: a tenth of those that start in a second run at a time.
        const { mean, halfWidth95 } = runs.of(arm).tasks[task].throughputPerS;
        return {
          about: `tasks of ${task.toUpperCase()} at a time, ${arm}`,
          value: { mean: mean / 10, halfWidth95: halfWidth95 / 10 },
          unit: "",
        };
      }),
    ),
  difference:
    "The paper's 3 and 2, as long as both have tasks that wait. First in, first out leaves the resources that the first job does not need to whatever fits.",
};

const mesos: Claim = {
  name: "mesos",
  claim:
    "frameworks that share a cluster elastically finish sooner than on static partitions of it",
  source: "Hindman et al., Mesos, NSDI 2011; section not verified",
  rebuilt:
    "the two users above, bursty (cv 4), 8 requests a second each; each with half of the cluster, or all by offers",
  base: {
    ...users,
    workload: { arrivals: "gamma", cv: 4, ratePerS: 16, durationS: 300, warmupS: 5 },
  },
  arms: {
    partition: { cluster: halves, scheduler: "fifo" },
    mesos: { cluster: whole, scheduler: "mesos" },
    drf: { cluster: whole, scheduler: "drf" },
    fifo: { cluster: whole, scheduler: "fifo" },
  },
  metrics: ["latencyMeanMs"],
  figures: (runs) =>
    ["mesos", "drf", "fifo"].map((arm) =>
      runs.ratio(
        `latency on partitions over that of ${arm === "fifo" ? "fifo on the whole" : arm}`,
        "partition",
        arm,
        "latencyMeanMs",
      ),
    ),
  difference:
    "The paper has jobs of Hadoop, MPI and Spark on 100 machines; sharing gains here as there, whoever orders the tasks.",
};

const nodes = ["one", "two"].map((name) => ({
  name,
  devices: { gpu: { slots: 1, sharing: { kind: "processor-sharing" } } },
}));

const placed = (pairs: Readonly<Record<string, string>>): Sections => ({
  nodes,
  replicas: Object.fromEntries(Object.keys(pairs).map((task) => [task, 1])),
  placement: Object.entries(pairs).map(([task, node]) => ({
    ...{ task, node, device: "gpu", replicas: 1 },
  })),
});

const wholeModels = (weights: readonly number[]): Sections => ({
  pipelines: Object.fromEntries(
    ["a", "b"].map((name, i) => [
      name,
      { share: weights[i], tasks: { [name]: { model: "bert" } } },
    ]),
  ),
  cluster: placed({ a: "one", b: "two" }),
});

const splitModels = (weights: readonly number[]): Sections => ({
  pipelines: Object.fromEntries(
    ["a", "b"].map((name, i) => [
      name,
      {
        share: weights[i],
        tasks: {
          [`${name}1`]: { model: "half" },
          [`${name}2`]: { model: "half", after: [`${name}1`] },
        },
      },
    ]),
  ),
  cluster: placed({ a1: "one", b1: "one", a2: "two", b2: "two" }),
});

const RATES = { "1:1": [1, 1], "2:8": [2, 8] };
const alpaCases = Object.entries(RATES).flatMap(([name, weights]) =>
  [1, 3].map((cv) => ({ name: `${name}, cv ${cv}`, weights, cv })),
);

const alpaserve: Claim = {
  name: "alpaserve",
  claim:
    "two models of 396 ms, each split over both of two devices, have a lower mean latency than on one device each",
  source: "Li et al., AlpaServe, OSDI 2023, figure 2; section not verified",
  rebuilt:
    "3 requests per s, rates 1:1 and 2:8, cv 1 and 3; the stages of a split model are two tasks of half its time and 1.8% more",
  base: {
    ...wholeModels([1, 1]),
    models: { bert: fixed(396), half: fixed((396 * 1.018) / 2) },
    workload: { arrivals: "gamma", cv: 1, ratePerS: 3, requests: 10_000, warmupS: 60 },
    scheduler: "alpaserve",
  },
  arms: Object.fromEntries(
    alpaCases.flatMap(({ name, weights, cv }) => {
      const workload = { arrivals: "gamma", cv, ratePerS: 3, requests: 10_000, warmupS: 60 };
      return [
        [`whole/${name}`, { ...wholeModels(weights), workload }],
        [`split/${name}`, { ...splitModels(weights), workload }],
      ];
    }),
  ),
  metrics: ["latencyMeanMs"],
  figures: (runs) =>
    alpaCases.map(({ name }) =>
      runs.ratio(
        `latency of whole models over split ones, ${name}`,
        `whole/${name}`,
        `split/${name}`,
        "latencyMeanMs",
      ),
    ),
  difference:
    "The split placement wins as claimed. Bursts come to both models at once here, and to one at a time in the paper, which gives it more to share (1.6 to 2.5 times with bursts of one model's own: `placement.test.ts`).",
};

const locality: Claim = {
  name: "locality",
  claim: "tasks beside their data save transfers",
  source: "Zaharia et al., Delay Scheduling, EuroSys 2010; section not verified",
  rebuilt: "two tasks on four machines with links of 1 Gbit/s, 1 MB to the second task",
  base: {
    pipelines: {
      p: {
        tasks: {
          first: { model: "server", outputBytes: 1_000_000 },
          second: { model: "server", after: ["first"], edgeBytes: { first: 1_000_000 } },
        },
      },
    },
    models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: {
      nodes: [{ name: "n", count: 4, devices: { gpu: 2 } }],
      replicas: { first: 4, second: 4 },
      network: { gbps: 1 },
    },
    workload: { arrivals: "poisson", ratePerS: 150, requests: 20_000, warmupS: 5 },
  },
  arms: schedulers("fifo", "locality"),
  metrics: ["latencyMeanMs"],
  figures: (runs) => [runs.ratio("latency over fifo's", "locality", "fifo", "latencyMeanMs")],
  difference:
    "A loss: all data pass through the gateway in this system, so nearness saves nothing and unbalances loads. Kept as the counter-example.",
};

export const RESOURCES: readonly Claim[] = [drf, mesos, alpaserve, locality];
