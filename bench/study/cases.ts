/**
 * The cases of the field: a scenario for every combination of the factors of `results/which-scheduler.ts`. Times
 * are measured (Nexus' profiles of a TITAN X) and arrivals public (Azure's traces): `measured/LICENCES.md`.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readForeignTimes } from "../../calibration/foreign-times.ts";
import { equalShareMeans, importedProfile } from "../../calibration/profiles.ts";
import { meanOf, sumOf } from "../../engine/statistics/estimate.ts";
import type { Case } from "../../results/which-scheduler.ts";
import { type Profile, profileSchema } from "../../scenario/schema/profile.ts";
import type { Sections } from "./claim.ts";

/** Every combination; the last factor changes fastest. */
export const CASES: readonly Case[] = (["batches", "single"] as const).flatMap((batching) =>
  (["one", "chain"] as const).flatMap((tasks) =>
    (["own", "shared"] as const).flatMap((devices) =>
      (["tight", "loose"] as const).flatMap((goal) =>
        (["steady", "bursty"] as const).map((arrivals): Case => {
          return { batching, tasks, devices, goal, arrivals };
        }),
      ),
    ),
  ),
);

/** The same with models of ours. */
export interface OwnCase extends Case {
  readonly models: "ours";
}

export const caseName = (one: Case): string => Object.values(one).join("-");

export const textOf = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`measured/${file}`, import.meta.url)), "utf8");

const QUANTILES = 10;
/** Larger batches are there for the test of Nexus' plans. */
const MOST_JOBS = 32;
const PROFILES: Readonly<Record<string, Pick<Profile, "batches" | "load">>> = {
  ...importedProfiles(),
  ...ownProfiles(),
};

function importedProfiles() {
  return Object.fromEntries(
    ["vgg16", "vgg_face", "yolo9000"].map((model) => {
      const file = `titanx-${model}.csv`;
      const times = readForeignTimes({ file, text: textOf(file) });
      const from = { model, device: "titanx", source: "uwsampl/nexus", date: "2019-10-27" };
      const profile = importedProfile(times, from);
      // A configuration reads its profiles anew: ten quantiles say as much of times that vary by 1%.
      const batches = profile.batches
        .filter(({ batch }) => batch <= MOST_JOBS)
        .map((one) => ({ ...one, quantilesUs: equalShareMeans(one.quantilesUs, QUANTILES) }));
      return [`${model}.json`, { ...profile, batches }];
    }),
  );
}

/** As measured, without the rounds of their calibration: the study takes them for exact, as it does those of others. */
function ownProfiles() {
  return Object.fromEntries(
    ["detector", "plate-reader"].map((model) => {
      const file = `${model}.json`;
      const { rounds: _, ...profile } = profileSchema.parse(JSON.parse(textOf(file)));
      return [file, profile];
    }),
  );
}

const COLUMN = "at";

/** A file for each window, which is a column of the shipped one. */
function arrivalFiles(text: string): Readonly<Record<string, string>> {
  const [header, ...rows] = text
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  return Object.fromEntries(
    header.map((name, i) => [`${name}.csv`, [COLUMN, ...rows.map((row) => row[i])].join("\n")]),
  );
}

/** The files that the scenarios name, which stand a folder above them. */
export const CASE_FILES: Readonly<Record<string, string>> = {
  ...arrivalFiles(textOf("arrivals.csv")),
  ...Object.fromEntries(
    Object.entries(PROFILES).map(([name, profile]) => [name, JSON.stringify(profile)]),
  ),
};

/**
 * A job of a batch of 32 takes half of its time alone (vgg), or nine tenths (yolo). Memory as measured at batches of 16
 * and 8.
 */
const KINDS = {
  batches: { files: ["vgg16", "vgg_face", "vgg16"], memoryMb: 1944 },
  single: { files: ["yolo9000", "yolo9000", "yolo9000"], memoryMb: 4053 },
  ours: { files: ["detector", "plate-reader", "detector"], memoryMb: 143 },
} as const;

const kindOf = (one: Case | OwnCase) => KINDS["models" in one ? one.models : one.batching];
const TASKS = ["first", "second", "third"] as const;
const DEVICES = TASKS.length;

/** SLOs, as multiples of a request's latency when it is alone. */
export const GOALS = { tight: 3, loose: 10 } as const;
/** A device loads a model of others in this time: 528 MB of weights at 12 GB/s. Assumed. */
const LOAD_MS = 45;
/** A shared device holds two of the three models. */
const HELD = 2.2;
/** One of the devices is down for this share of a run. */
const DOWN_SHARE = 0.01;

/** Windows of a trace: the last is for the search of settings, each of the others is a replication. */
export const WINDOWS = 10;
const ROWS = 200;
const WARMUP_SHARE = 0.2;

interface Work {
  readonly goalsMs: Readonly<Record<string, number>>;
  /** Requests per s that the devices do at best, in the best batches without a goal. */
  readonly capacityPerS: number;
}

function workOf(one: Case): Work {
  const { tasks, devices, goal } = one;
  const times = kindOf(one).files.map((file) =>
    PROFILES[`${file}.json`].batches.map(({ batch, meanUs }) => ({ batch, ms: meanUs / 1000 })),
  );
  const alone = times.map(([first]) => first.ms);
  const best = times.map((sizes) => Math.min(...sizes.map(({ batch, ms }) => ms / batch)));
  const perRequest = tasks === "chain" ? 1 : 1 / TASKS.length;
  const busiest = devices === "own" ? Math.max(...best) : meanOf(best);
  const goalOf = (ms: number): number => Math.round(GOALS[goal] * ms);
  return {
    goalsMs:
      tasks === "chain"
        ? { chain: goalOf(sumOf(alone)) }
        : Object.fromEntries(TASKS.map((task, i) => [task, goalOf(alone[i])])),
    capacityPerS: 1000 / (busiest * perRequest),
  };
}

/** The shortest SLO of a case, by which its times are told from those of another. */
export const shortestSloMs = (one: Case): number => Math.min(...Object.values(workOf(one).goalsMs));

/** Requests per s that the devices of a case do at best. */
export const capacityOf = (one: Case): number => workOf(one).capacityPerS;

/** The scenario of a case, without a sweep. */
export function caseDocument(one: Case, seed: number, plays: number): Sections {
  const { tasks, devices, arrivals } = one;
  const { goalsMs } = workOf(one);
  const { files, memoryMb } = kindOf(one);
  const isShared = devices === "shared";
  const slo = (pipeline: string) => ({ latencyMs: goalsMs[pipeline], percentile: 90 });
  return {
    name: caseName(one),
    pipelines:
      tasks === "chain"
        ? {
            chain: {
              slo: slo("chain"),
              tasks: Object.fromEntries(
                TASKS.map((task, i) => [task, { model: task, after: TASKS.slice(i - 1, i) }]),
              ),
            },
          }
        : Object.fromEntries(
            TASKS.map((task) => [task, { slo: slo(task), tasks: { [task]: { model: task } } }]),
          ),
    models: Object.fromEntries(
      TASKS.map((task, i) => [
        task,
        {
          profile: `../${files[i]}.json`,
          memoryMb,
          loadMs: Math.round(PROFILES[`${files[i]}.json`].load?.ms ?? LOAD_MS),
          residency: isShared ? "on-demand" : "always",
        },
      ]),
    ),
    cluster: {
      nodes: [
        {
          name: "gpu",
          count: DEVICES,
          devices: {
            titanx: {
              slots: 1,
              memoryMb: memoryMb * HELD,
              ...(isShared && { sharing: { kind: "time-slice", quantumMs: 2, switchUs: 100 } }),
            },
          },
          resources: { turn: 1 },
          costPerHour: 1,
        },
      ],
      replicas: Object.fromEntries(TASKS.map((task) => [task, isShared ? DEVICES : 1])),
    },
    scheduler: "fifo",
    workload: {
      arrivals: "trace",
      file: fileOf(arrivals, 0),
      column: COLUMN,
      repeat: playsOf(one, plays),
      scale: 1,
      warmupS: 0,
    },
    faults: {
      detection: { intervalMs: 50, timeoutMs: 50, failures: 2 },
      scheduled: [{ kind: "crash", node: "gpu-2", atS: 1, forS: 1 }],
    },
    run: {
      seed,
      replications: 1,
      maxDrainS: 5,
      compare: { metrics: ["sloAttainmentRatio", "throughputPerS", "costPerHour"] },
    },
  };
}

/** Values by path: whether a device is given to one batch at a time, or to one of each model in time slices. */
export function turns(isOneAtATime: boolean): Sections {
  const demand = isOneAtATime ? { turn: 1 } : {};
  return Object.fromEntries(TASKS.map((task) => [`models.${task}.demand`, demand]));
}

/** Values by path: running batches may be stopped. */
export const stoppable = (): Sections =>
  Object.fromEntries(TASKS.map((task) => [`models.${task}.stoppable`, true]));

/** Values by path for one run of a case: a share of the capacity, and the window that arrives. */
export function loadPoint(one: Case, plays: number, load: number, window: number): Sections {
  const perS = load * workOf(one).capacityPerS;
  const lengthS = (ROWS * playsOf(one, plays)) / perS;
  return {
    "workload.file": fileOf(one.arrivals, window),
    "workload.scale": 1 / perS,
    "workload.warmupS": WARMUP_SHARE * lengthS,
    "faults.scheduled.0.atS": 0.6 * lengthS,
    "faults.scheduled.0.forS": DOWN_SHARE * lengthS,
  };
}

/** A chain's request has several jobs. */
const playsOf = ({ tasks }: Case, plays: number): number => (tasks === "chain" ? plays : 2 * plays);

const fileOf = (arrivals: Case["arrivals"], window: number): string =>
  `../${arrivals === "steady" ? "conv" : "code"}${window + 1}.csv`;
