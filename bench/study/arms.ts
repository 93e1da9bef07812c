/**
 * The arms of the field: baselines that add one mechanism after the other, every preset with its published constants,
 * systems without one of their mechanisms, and the best of equally many settings of each for each case.
 */
import { RandomStream } from "../../engine/random/stream.ts";
import type { Case } from "../../results/which-scheduler.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import { stoppable, turns } from "./cases.ts";
import type { Sections } from "./claim.ts";

export interface Arm {
  readonly name: string;
  readonly kind: "baseline" | "published" | "tuned" | "ablation";
  readonly scheduler: SchedulerDocument;
  /** Values by path besides the scheduler, such as a cluster of another shape. */
  readonly paths: Sections;
  /** It orders the iterations of language models. */
  readonly policy?: string;
}

const BATCHES = "fifo + batches";
const DROPS = "edf + deadline-aware batches + drop";

const batches = (maxBatch: number, waitMs: number) => ({
  batching: { policy: "size-or-timeout", maxBatch, waitMs },
});
const DEADLINE_AWARE = { preset: "edf", batching: "slack-bounded" } as const;
const DROPPING = { ...DEADLINE_AWARE, shedding: "expected-late" } as const;

const BASELINES: Readonly<Record<string, SchedulerDocument>> = {
  fifo: "fifo",
  edf: "edf",
  "edf + drop": { preset: "edf", shedding: "expected-late" },
  [BATCHES]: batches(16, 0),
  "edf + deadline-aware batches": DEADLINE_AWARE,
  [DROPS]: DROPPING,
};

/** One batch a device at a time, which only a shared device does not do by itself. */
const ALONE = ", one at a time";
const IN_TURN: Readonly<Record<string, SchedulerDocument>> = {
  [`${BATCHES}${ALONE}`]: batches(16, 0),
  [`${DROPS}${ALONE}`]: DROPPING,
};

/** Runs are short: systems that plan anew each epoch have these epochs in place of the published ones. */
const SHORT_S = 1;
const NEVER_S = 1e6;

/** Systems as they have a mechanism that their presets do not show in the field. */
const SHOWN: Readonly<Record<string, Pick<Arm, "scheduler" | "paths">>> = {
  "shepherd, stoppable models": { scheduler: "shepherd", paths: stoppable() },
  "nexus, short epochs": {
    scheduler: withController("nexus", { epochS: SHORT_S, leastEpochS: SHORT_S, beaconS: 0.2 }),
    paths: {},
  },
  "selective-replication, short epochs": {
    scheduler: withController("selective-replication", { epochS: SHORT_S }),
    paths: {},
  },
};

/** Without the mechanism that is named, by the arm that has it: a scheduler, or names of arms of the field, of which the first in a case counts. */
const ABLATIONS: Readonly<
  Record<string, Readonly<Record<string, SchedulerDocument | readonly string[]>>>
> = {
  [BATCHES]: { "time slices (one at a time)": [`${BATCHES}${ALONE}`] },
  [DROPS]: { "time slices (one at a time)": [`${DROPS}${ALONE}`] },
  clockwork: {
    "its controller": [`${DROPS}${ALONE}`, DROPS],
    "actions sent ahead": withController("clockwork", { aheadMs: 0 }),
    "late starts cancelled": withController("clockwork", { slackMs: 1e6 }),
    "measured times": withController("clockwork", { forgetS: 1e-6 }),
  },
  shepherd: { "largest batch first": [`${DROPS}${ALONE}`, DROPS] },
  "shepherd, stoppable models": { preemption: ["shepherd"] },
  nexus: {
    "its controller": { preset: "nexus", controller: "none", shedding: "expected-late" },
  },
  "nexus, short epochs": {
    "packing by heard rates": withController("nexus", { epochS: NEVER_S, leastEpochS: NEVER_S }),
  },
  "selective-replication": {
    "queues of devices": {
      preset: "selective-replication",
      controller: "none",
      shedding: "expected-late",
    },
  },
  "selective-replication, short epochs": {
    "placement by requests": withController("selective-replication", { epochS: NEVER_S }),
  },
  "alpaserve, placed": {
    "groups of devices": ["alpaserve, placed on single devices", "alpaserve, placed"],
  },
  grandslam: {
    "stage order": { preset: "grandslam", ordering: "fifo" },
    "batches by slack": { preset: "grandslam", ...batches(24, 0) },
  },
  clipper: {
    "sizes by latency (AIMD)": { preset: "clipper", ...batches(24, 2) },
    "delayed batches": { preset: "clipper", batching: { policy: "adaptive", waitMs: 0 } },
  },
  "seed-batching": {
    ticks: {
      preset: "seed-batching",
      batching: { policy: "size-or-timeout", maxBatch: 3, waitMs: 2000 },
    },
  },
  mesos: { offers: ["drf"] },
  locality: { nearness: ["fifo"] },
  triton: { "dynamic batches": { preset: "triton", batching: "none" } },
  inferline: { tuner: { preset: "inferline", controller: "none" } },
  infaas: { scaler: { preset: "infaas", controller: "none" } },
  "kubernetes-hpa": { scaling: { preset: "kubernetes-hpa", scaling: "fixed" } },
  "ray-serve": {
    scaling: { preset: "ray-serve", scaling: "fixed" },
    "two choices": { preset: "ray-serve", routing: "random" },
  },
  proteus: {
    "placement by its program": { preset: "proteus", controller: "none" },
    "batches that wait": { preset: "proteus", batching: "within-budget" },
    drop: { preset: "proteus", shedding: "never" },
  },
  loki: {
    "placement by its program": { preset: "loki", controller: "none" },
    "devices switched off": {
      preset: "loki",
      controller: { policy: "proteus", epochS: 10, solveMs: 500 },
    },
    drop: { preset: "loki", shedding: "never" },
  },
};

/** Where every model has its own device, a route decides nothing: these are fifo there. */
const ROUTES = new Set([
  ...["round-robin", "random", "join-shortest-queue", "power-of-two", "least-expected-work"],
  ...["join-idle-queue", "weighted-round-robin", "work-stealing", "locality", "seed-idle-queue"],
]);

/** The arms of a case that are the same in every case, the simplest first. */
export function fixedArms({ devices }: Case): readonly Arm[] {
  const arm = (kind: Arm["kind"], isOneAtATime = false) => {
    const paths = devices === "shared" ? turns(isOneAtATime) : {};
    return ([name, scheduler]: readonly [string, SchedulerDocument]): Arm => {
      return { name, kind, scheduler, paths };
    };
  };
  const presets = Object.keys(PRESETS).filter(
    (name) => !(name in BASELINES) && (devices === "shared" || !ROUTES.has(name)),
  );
  return [
    ...Object.entries(BASELINES).map(arm("baseline")),
    ...presets.map((name) => arm("published")([name, name])),
    ...(devices === "shared" ? Object.entries(IN_TURN).map(arm("ablation", true)) : []),
  ];
}

/** A row of the page: an arm without a mechanism, and the arm that has it. */
interface Ablation {
  readonly part: string;
  readonly of: string;
  /** Names of arms, of which the first in a case counts. */
  readonly without: readonly string[];
}

export const ABLATED: readonly Ablation[] = Object.entries(ABLATIONS).flatMap(([of, each]) =>
  Object.entries(each).map(([part, one]): Ablation => {
    return { part, of, without: Array.isArray(one) ? one : [`${of} − ${part}`] };
  }),
);

/** Systems without one of their mechanisms, and those that have it where presets do not show it. */
export function ablationArms({ devices }: Case): readonly Arm[] {
  const own = devices === "shared" ? turns(false) : {};
  const shown = Object.entries(SHOWN).map(([name, { scheduler, paths }]): Arm => {
    return { name, kind: "ablation", scheduler, paths: { ...own, ...paths } };
  });
  const without = Object.entries(ABLATIONS).flatMap(([of, each]) =>
    Object.entries(each).flatMap(([part, one]): readonly Arm[] => {
      if (Array.isArray(one)) return [];
      const scheduler = one as SchedulerDocument;
      return [{ name: `${of} − ${part}`, kind: "ablation", scheduler, paths: own }];
    }),
  );
  return [...shown, ...without];
}

/** A preset with parameters of its controller, which has its name. */
function withController(preset: string, given: Sections): SchedulerDocument {
  return { preset, controller: { policy: preset, ...given } };
}

/** Settings of a system: the values that each parameter may take. */
interface Space {
  readonly base: Exclude<SchedulerDocument, string>;
  /** By `decision policy parameter`. */
  readonly values: Readonly<Record<string, readonly unknown[]>>;
}

const SIZES = [1, 2, 4, 8, 24];
const WAITS_MS = [0, 1, 3, 10];
const EPOCHS_S = [1, 3, 10, 30];
const SPACES: Readonly<Record<string, Space>> = {
  [BATCHES]: {
    base: { preset: "fifo" },
    values: {
      "batching size-or-timeout maxBatch": SIZES,
      "batching size-or-timeout waitMs": WAITS_MS,
    },
  },
  [DROPS]: { base: DROPPING, values: { "batching slack-bounded maxBatch": SIZES } },
  grandslam: {
    base: { preset: "grandslam" },
    values: { "batching slack-bounded maxBatch": SIZES },
  },
  triton: {
    base: { preset: "triton" },
    values: {
      "batching preferred-sizes preferred": [[], [2, 4], [4, 8], [8]],
      "batching preferred-sizes maxBatch": [8, 16, 24],
      "batching preferred-sizes delayMs": [0, 1, 3, 10],
      "shedding queue-timeout timeoutMs": [0, 10, 30, 100],
    },
  },
  clipper: {
    base: { preset: "clipper" },
    values: {
      "batching adaptive estimator": ["aimd", "quantile-regression"],
      "batching adaptive additive": [1, 2, 4],
      "batching adaptive backOff": [0.5, 0.8, 0.9],
      "batching adaptive waitMs": [0, 2, 5],
    },
  },
  clockwork: {
    base: { preset: "clockwork" },
    values: {
      "controller clockwork aheadMs": [2, 5, 10, 20],
      "controller clockwork slackMs": [5, 10, 20, 50],
      "controller clockwork bufferMs": [0, 2, 5],
      "controller clockwork maxBatchMs": [10, 25, 50, 100, 250],
    },
  },
  shepherd: {
    base: { preset: "shepherd" },
    values: {
      "batching size-or-timeout maxBatch": SIZES,
      "controller shepherd lambda": [2, 3.03, 5],
    },
  },
  nexus: {
    base: { preset: "nexus" },
    values: {
      "controller nexus epochS": EPOCHS_S,
      "controller nexus leastEpochS": [0.5, 1, 3, 10],
      "controller nexus beaconS": [0.2, 0.5, 1],
    },
  },
  "selective-replication": {
    base: { preset: "selective-replication" },
    values: {
      "controller selective-replication epochS": EPOCHS_S,
      "controller selective-replication sample": [100, 300, 1000],
      "batching size-or-timeout maxBatch": SIZES,
    },
  },
  proteus: {
    base: { preset: "proteus" },
    values: {
      "controller proteus epochS": EPOCHS_S,
      "batching proteus shareOfGoal": [0.3, 0.5, 0.7, 0.9],
    },
  },
  loki: {
    base: { preset: "loki" },
    values: {
      "controller loki epochS": EPOCHS_S,
      "batching within-budget shareOfGoal": [0.3, 0.5, 0.7, 0.9],
    },
  },
  inferline: {
    base: { preset: "inferline" },
    values: {
      "controller inferline cv": [1, 4, 10],
      "controller inferline utilization": [0.3, 0.5, 0.7],
      "batching size-or-timeout maxBatch": SIZES,
    },
  },
  alpaserve: {
    base: { preset: "alpaserve" },
    values: {
      "batching size-or-timeout maxBatch": SIZES,
      "batching size-or-timeout waitMs": WAITS_MS,
    },
  },
  infaas: {
    base: { preset: "infaas" },
    values: {
      "batching within-budget shareOfGoal": [0.3, 0.5, 0.7, 0.9],
      "controller infaas intervalS": [0.1, 0.3, 1, 3],
      "controller infaas headroom": [0.5, 0.75, 0.95],
      "controller infaas downChecks": [10, 100],
    },
  },
  mesos: {
    base: { preset: "mesos" },
    values: {
      "controller drf allocation": ["offers"],
      "controller drf allocationIntervalS": [0.01, 0.1, 1, 5],
      "controller drf refuseS": [0, 0.1, 1, 5],
    },
  },
  locality: {
    base: { preset: "locality" },
    values: { "controller locality extraJobs": [0, 1, 2, 4, 8] },
  },
  "seed-batching": {
    base: { preset: "seed-batching" },
    values: {
      "batching size-or-timeout maxBatch": SIZES,
      "batching size-or-timeout waitMs": WAITS_MS,
      "batching size-or-timeout tickMs": [1, 10, 100, 1000],
    },
  },
  "kubernetes-hpa": {
    base: { preset: "kubernetes-hpa" },
    values: {
      "scaling target-utilization target": [0.2, 0.4, 0.7],
      "scaling target-utilization intervalS": [1, 5, 15],
      "scaling target-utilization downWindowS": [30, 300],
    },
  },
  "ray-serve": {
    base: { preset: "ray-serve" },
    values: {
      "routing power-of-two cap": [2, 5, 20],
      "scaling ongoing-requests target": [0.2, 0.5, 1, 2],
      "scaling ongoing-requests upDelayS": [0.1, 1, 30],
    },
  },
};

/** Presets with constants that are not searched, and the reason. */
export const UNTUNED: Readonly<Record<string, string>> = {
  batching: `as ${BATCHES}`,
  "power-of-two": "two choices",
  "seed-idle-queue": "rule of idle",
  drf: "weights",
  "weighted-fair": "weights",
};

/** The equal budget of every search. */
export const SETTINGS = 16;

/** Settings that a search tries: all of a small space, else as many at random. */
export function settingsOf(name: string): readonly SchedulerDocument[] {
  const { base, values } = SPACES[name];
  const all = Object.entries(values).reduce<readonly Sections[]>(
    (before, [path, some]) =>
      before.flatMap((one) => some.map((value) => withSetting(one, path, value))),
    [base],
  );
  const rng = new RandomStream("2", `settings/${name}`);
  const drawn = all.map((one) => ({ one, at: rng.uniform() })).sort((a, b) => a.at - b.at);
  return drawn.slice(0, SETTINGS).map(({ one }) => one as SchedulerDocument);
}

function withSetting(scheduler: Sections, path: string, value: unknown): Sections {
  const [decision, policy, parameter] = path.split(" ");
  const before = scheduler[decision];
  const own = typeof before === "object" ? before : { policy };
  return { ...scheduler, [decision]: { ...own, [parameter]: value } };
}

/** Systems whose settings are searched. */
export const TUNED = Object.keys(SPACES);

/** Systems whose settings are searched in a case. */
export const tunedIn = ({ devices }: Case): readonly string[] =>
  TUNED.filter((name) => devices === "shared" || !ROUTES.has(name));

/** The arm with the setting that a search found best. */
export function tunedArm({ devices }: Case, name: string, scheduler: SchedulerDocument): Arm {
  const paths = devices === "shared" ? turns(false) : {};
  return { name: `${name}, tuned`, kind: "tuned", scheduler, paths };
}
