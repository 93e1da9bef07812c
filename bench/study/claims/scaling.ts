/** Systems that scale replicas or accuracy: InferLine, Kubernetes, Ray Serve, INFaaS, Proteus and Loki. */
import { type Claim, fixed, ratioOf } from "../claim.ts";
import type { Sections } from "../field.ts";

const step = (low: number, high: number, spans: readonly number[]): Sections => {
  const [riseS, fallS, endS] = spans;
  return {
    arrivals: "ramp",
    rates: [
      { atS: 0, ratePerS: low },
      { atS: riseS, ratePerS: low },
      { atS: riseS + 0.001, ratePerS: high },
      { atS: fallS, ratePerS: high },
      { atS: fallS + 0.001, ratePerS: low },
    ],
    durationS: endS,
  };
};

/** Detection at 20 per s, then classification at 50. */
const units = (replicas: Sections): Sections => ({
  nodes: [{ name: "n", count: 80, devices: { gpu: 1 }, costPerHour: 1 }],
  replicas,
  provisioning: { delayS: 2 },
});
const coarse = (ratePerS: number): Sections => {
  const count = Math.ceil(ratePerS / 20);
  return { cluster: units({ detect: count, classify: count }), scheduler: "fifo" };
};
/** The mean, and the most in half a second: the high rate and four standard deviations. */
const MEAN_PER_S = (60 * 240 + 180 * 40) / 280;
const PEAK_PER_S = 180 + (4 * Math.sqrt(180 * 0.5)) / 0.5;

const inferline: Claim = {
  name: "inferline",
  claim:
    "7.6 times cheaper than coarse-grained provisioning for the peak; 34.5 times fewer misses than for the mean",
  source: "Crankshaw et al., InferLine, SoCC 2020, abstract (figures); section not verified",
  rebuilt:
    "a pipeline of two tasks, 60 requests per s that triple for 40 s; replicas take 2 s to start; goal 500 ms",
  base: {
    pipelines: {
      p: {
        slo: { latencyMs: 500 },
        tasks: { detect: { model: "slow" }, classify: { model: "fast", after: ["detect"] } },
      },
    },
    models: { slow: fixed(50), fast: fixed(20) },
    cluster: units({ detect: 40, classify: 20 }),
    workload: step(60, 180, [120, 160, 280]),
  },
  arms: {
    tuned: {
      cluster: units({ detect: 40, classify: 20 }),
      scheduler: {
        ...{ preset: "inferline", batching: "none" },
        controller: { policy: "inferline", ratePerS: 60, utilization: 0.7 },
      },
    },
    peak: coarse(PEAK_PER_S),
    mean: coarse(MEAN_PER_S),
  },
  metrics: ["costPerHour", "sloAttainmentRatio"],
  figures: (runs) => [
    runs.ratio("cost for the peak over the tuner's", "peak", "tuned", "costPerHour"),
    runs.missRatio("misses for the mean over the tuner's", "mean", "tuned"),
    runs.percent("within the goal, tuner", "tuned", "sloAttainmentRatio"),
  ],
  difference:
    "The same order. The gain in cost is that of the peak over the mean: the paper's traces have higher peaks for shorter times, and its baseline one unit for a pipeline of more tasks.",
};

const steady = (scheduler: unknown, meanMs: number, ratePerS: number): Sections => ({
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: fixed(meanMs) },
  cluster: { replicas: { serve: 40 } },
  scheduler,
  workload: { arrivals: "poisson", ratePerS, durationS: 4000, warmupS: 2000 },
});

const hpa: Claim = {
  name: "kubernetes-hpa",
  claim: "replicas = ⌈current × utilisation / target⌉, kept at the highest recommendation of 300 s",
  source: "Kubernetes documentation, Horizontal Pod Autoscaling, algorithm details",
  rebuilt:
    "a load of 7 replicas at the target of 0.7: 10 replicas, and a few more for the noise of 300 s",
  base: steady("kubernetes-hpa", 500, 14),
  arms: {
    hpa: { scheduler: "kubernetes-hpa" },
    quick: {
      scheduler: {
        preset: "kubernetes-hpa",
        scaling: { policy: "target-utilization", downWindowS: 0 },
      },
    },
  },
  metrics: ["utilizationRatio"],
  figures: (runs) =>
    ["hpa", "quick"].map((arm) => ({
      about: arm === "hpa" ? "mean replicas" : "without the window of 300 s",
      value: runs.of(arm).tasks.serve.replicasMean,
      unit: "",
    })),
  difference:
    "The formula's ten are the floor; the window keeps the highest of twenty noisy recommendations.",
};

const rayServe: Claim = {
  name: "ray-serve",
  claim: "replicas = ongoing requests / target (2), two choices of a replica, at most 5 at each",
  source: "Ray Serve documentation, autoscaling guide (Ray 2.51)",
  rebuilt: "a load of 7 replicas of 500 ms: an ongoing request is one that runs or waits",
  base: steady("ray-serve", 500, 14),
  arms: {
    ray: { scheduler: "ray-serve" },
    one: {
      scheduler: { preset: "ray-serve", scaling: { policy: "ongoing-requests", target: 1 } },
    },
    fifo: { scheduler: "fifo" },
  },
  metrics: ["inSystemMean", "latencyMeanMs"],
  figures: (runs) => [
    {
      about: "mean replicas, target 1",
      value: runs.of("one").tasks.serve.replicasMean,
      unit: "",
    },
    runs.mean("mean ongoing requests, target 1", "", "one", "inSystemMean"),
    { about: "mean replicas, target 2", value: runs.of("ray").tasks.serve.replicasMean, unit: "" },
    runs.ratio("latency over that of 40 replicas, target 2", "ray", "fifo", "latencyMeanMs"),
  ],
  difference:
    "As documented with a target of 1. The default of 2 is for replicas that serve two requests at once: where one serves one, half of the needed replicas is the target, so that jobs pile up, all replicas are ordered, and go 600 s later, again and again.",
};

const batch = { marginal: 0.5, max: 32 };
const variant = (meanMs: number, accuracy: number): Sections => ({
  service: { distribution: "deterministic", meanMs, batch },
  accuracy,
});
const onGpus = (replicas: Sections): Sections => ({
  nodes: [{ name: "gpu", count: 4, costPerHour: 1, devices: { gpu: { slots: 1, shared: true } } }],
  replicas,
  provisioning: { delayS: 0.2 },
});

const detect = (ratePerS: number): Sections => ({
  pipelines: {
    p: { slo: { latencyMs: 400 }, tasks: { detect: { variants: ["small", "large"] } } },
  },
  models: { small: variant(10, 0.8), large: variant(50, 0.95) },
  cluster: onGpus({ "detect@small": 4, "detect@large": 4 }),
  workload: { arrivals: "poisson", ratePerS, durationS: 120, warmupS: 30 },
});

/** One variant on all devices, with the batches of Proteus. */
const only = (replicas: Sections): Sections => ({
  cluster: onGpus(replicas),
  scheduler: { preset: "proteus", controller: "none" },
});
const FIXED = {
  large: only({ "detect@large": 4 }),
  small: only({ "detect@small": 4 }),
};

const infaas: Claim = {
  name: "infaas",
  claim:
    "1.3 times the throughput, 1.6 times fewer violations, 8.5 times cheaper on average than one chosen variant",
  source: "Romero et al., INFaaS, ATC 2021, abstract",
  rebuilt:
    "variants of 10 and 50 ms (accuracy 0.80 and 0.95) on four devices, 250 requests per s, goal 400 ms",
  base: detect(250),
  arms: { infaas: { cluster: detect(250).cluster, scheduler: "infaas" }, ...FIXED },
  metrics: ["sloAttainmentRatio", "goodputPerS", "accuracyMean", "costPerHour"],
  figures: (runs) => [
    runs.ratio("goodput over that of the large variant alone", "infaas", "large", "goodputPerS"),
    runs.missRatio("violations of the large one over its own", "large", "infaas"),
    runs.mean("mean accuracy", "", "infaas", "accuracyMean"),
    runs.mean("cost per hour (4 for all devices)", "", "infaas", "costPerHour"),
  ],
  difference:
    "Against a large variant that cannot keep up the gain is larger than the paper's mean. The cost does not fall: this load needs all four devices, and the paper's savings are against dedicated instances.",
};

const proteus: Claim = {
  name: "proteus",
  claim:
    "2 to 10 times fewer late requests and up to 3 times less loss of accuracy than the baselines",
  source: "Ahmad et al., Proteus, ASPLOS 2024, abstract",
  rebuilt: "the same variants, devices and load",
  base: detect(250),
  arms: { proteus: { cluster: detect(250).cluster, scheduler: "proteus" }, ...FIXED },
  metrics: ["sloAttainmentRatio", "accuracyMean"],
  figures: (runs) => [
    ...["proteus", "large"].map((arm) =>
      runs.percent(
        `within the goal, ${arm === "large" ? "the large variant alone" : "Proteus"}`,
        arm,
        "sloAttainmentRatio",
      ),
    ),
    {
      about: "loss of accuracy of the small variant alone over its own",
      value: ratioOf(
        runs.samples("small", "accuracyMean").map((accuracy) => 0.95 - accuracy),
        runs.samples("proteus", "accuracyMean").map((accuracy) => 0.95 - accuracy),
      ),
      unit: "×",
    },
  ],
  difference:
    "Fewer late requests as claimed. The loss of accuracy depends on how near the load is to the capacity of the small variant; here the program can afford the large one for a part only.",
};

const LOADS = [20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 240, 260, 280, 300];
const pipelined = (replicas: Sections): Sections => ({
  ...onGpus(replicas),
  nodes: [{ name: "gpu", count: 8, costPerHour: 1, devices: { gpu: { slots: 1, shared: true } } }],
});
const names = ["first@small", "first@large", "second@small", "second@large"];

const loki: Claim = {
  name: "loki",
  claim:
    "accuracy scaling serves more than 2.7 times the load that hardware scaling alone does on the same cluster",
  source: "Ahmad et al., Loki, HPDC 2024, abstract",
  rebuilt:
    "two tasks with such variants on eight devices, goal 800 ms; the largest load at which 97% are in time",
  base: {
    ...detect(100),
    pipelines: {
      p: {
        slo: { latencyMs: 800 },
        tasks: {
          first: { variants: ["small", "large"] },
          second: { variants: ["small", "large"], after: ["first"] },
        },
      },
    },
    cluster: pipelined(Object.fromEntries(names.map((name) => [name, 8]))),
  },
  arms: Object.fromEntries(
    LOADS.flatMap((ratePerS) => {
      const workload = { arrivals: "poisson", ratePerS, durationS: 60, warmupS: 30 };
      return [
        [`loki/${ratePerS}`, { scheduler: "loki", workload }],
        [
          `hardware/${ratePerS}`,
          {
            scheduler: { preset: "loki", controller: "none" },
            cluster: pipelined({ "first@large": 4, "second@large": 4 }),
            workload,
          },
        ],
      ];
    }),
  ),
  metrics: ["sloAttainmentRatio", "accuracyMean"],
  figures: (runs) => {
    const capacity = (arm: string): number[] =>
      runs.capacity(
        LOADS.map((ratePerS) => [`${arm}/${ratePerS}`, ratePerS] as const),
        0.97,
      );
    return [
      {
        about: "capacity over that of the accurate variants on all devices",
        value: ratioOf(capacity("loki"), capacity("hardware")),
        unit: "×",
      },
    ];
  },
  difference:
    "The factor is that of the variants' times, five to one, less what half of the goal for waiting and 1% of the requests dropped allow.",
};

export const SCALING: readonly Claim[] = [inferline, hpa, rayServe, infaas, proteus, loki];
