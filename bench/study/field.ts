/**
 * The field: every preset on the same pipelines, shapes, loads and goals. Service times are assumed, as no
 * set of measured ones is public for all three pipelines.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { compileSystem } from "../../core/compile.ts";
import { Fault } from "../../core/fault.ts";
import { type SchedulerDocument, scenarioSchema } from "../../core/scenario/schema.ts";
import { sumOf } from "../../core/statistics/estimate.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import type { Sections } from "./claim.ts";

/** A scheduler in the field. */
export interface Arm {
  readonly name: string;
  readonly scheduler: SchedulerDocument;
}

const BATCHES = { policy: "size-or-timeout", maxBatch: 16, waitMs: 0 };

/** Rules without a name in the literature that a system has to beat: batches of what waits. */
const BASELINES: readonly Arm[] = [
  { name: "fifo + batches", scheduler: { batching: BATCHES } },
  {
    name: "edf + batches + drop",
    scheduler: { preset: "edf", batching: BATCHES, shedding: "expected-late" },
  },
];

export const ARMS: readonly Arm[] = [
  ...Object.keys(PRESETS).map((name) => ({ name, scheduler: name })),
  ...BASELINES,
];

interface Pipelines {
  readonly name: string;
  readonly about: string;
  readonly pipelines: Readonly<Record<string, Sections>>;
  /** Mean time of one job, ms, and accuracy. */
  readonly models: Readonly<Record<string, readonly [meanMs: number, accuracy?: number]>>;
  /** Devices of each pool where every replica has its own. */
  readonly devices: Readonly<Record<string, number>>;
  /** Requests per s that these devices can do one by one. */
  readonly capacityPerS: number;
  /** By pipeline: a tight and a loose goal, ms. */
  readonly goalsMs: Readonly<Record<string, readonly [number, number]>>;
}

export const PIPELINES = parse(
  readFileSync(fileURLToPath(new URL("field.yaml", import.meta.url)), "utf8"),
) as readonly Pipelines[];

const modelOf = ([meanMs, accuracy]: readonly [number, number?]): Sections => ({
  service: { distribution: "lognormal", meanMs, cv: 0.15, batch: { marginal: 0.3, max: 32 } },
  residency: "always",
  ...(accuracy === undefined ? {} : { accuracy }),
});

export const SHAPES = ["own", "shared"] as const;
export type Shape = (typeof SHAPES)[number];

/**
 * The same devices twice: each of one task alone (`own`), or each of all tasks, whose running batches slow
 * each other down (`shared`).
 */
function clusterOf({ devices }: Pipelines, shape: Shape): Sections {
  const count = sumOf(Object.values(devices));
  const gpu = shape === "own" ? { slots: 1 } : { slots: 1, sharing: { kind: "processor-sharing" } };
  const replicas =
    shape === "own"
      ? devices
      : Object.fromEntries(Object.keys(devices).map((pool) => [pool, count]));
  return {
    nodes: [{ name: "gpu", count, devices: { gpu }, costPerHour: 1 }],
    replicas,
    provisioning: { delayS: 1 },
  };
}

/** Shares of the capacity one by one. */
export const LOADS = [0.5, 0.9, 1.5] as const;
export const CVS = [1, 4] as const;
export const GOALS = ["tight", "loose"] as const;

/** One combination of load and goal; all arms meet the same requests there. */
export interface Cell {
  readonly load: number;
  readonly cv: number;
  readonly goal: (typeof GOALS)[number];
}

export const CELLS: readonly Cell[] = LOADS.flatMap((load) =>
  CVS.flatMap((cv) => GOALS.map((goal): Cell => ({ load, cv, goal }))),
);

export interface FieldScenario {
  readonly name: string;
  readonly pipelines: Pipelines;
  readonly shape: Shape;
  readonly arms: readonly Arm[];
  readonly refused: readonly { readonly arm: Arm; readonly reason: string }[];
  readonly cells: readonly Cell[];
  /** Swept: for each cell, all arms. */
  readonly document: Sections;
}

export interface Effort {
  readonly durationS: number;
  readonly warmupS: number;
  readonly replications: number;
}

export const FIELD_METRICS = ["sloAttainmentRatio", "accuracyMean", "costPerHour", "latencyP99Ms"];

export function fieldScenario(
  pipelines: Pipelines,
  shape: Shape,
  effort: Effort,
  cells: readonly Cell[] = CELLS,
): FieldScenario {
  const { name, goalsMs } = pipelines;
  const workload = {
    ...{ arrivals: "gamma", ratePerS: pipelines.capacityPerS, cv: 1 },
    ...{ durationS: effort.durationS, warmupS: effort.warmupS },
  };
  const goalOf = (pipeline: string, goal: Cell["goal"]): number =>
    goalsMs[pipeline][GOALS.indexOf(goal)];
  const base = {
    name: `${name}-${shape}`,
    pipelines: Object.fromEntries(
      Object.entries(pipelines.pipelines).map(([pipeline, sections]) => [
        pipeline,
        { slo: { latencyMs: goalOf(pipeline, "tight"), percentile: 99 }, ...sections },
      ]),
    ),
    models: Object.fromEntries(
      Object.entries(pipelines.models).map(([name, one]) => [name, modelOf(one)]),
    ),
    cluster: clusterOf(pipelines, shape),
    scheduler: "fifo",
    workload,
    run: {
      ...{ seed: 1, replications: effort.replications, maxDrainS: 60 },
      compare: {
        metrics: FIELD_METRICS.filter((one) => one !== "accuracyMean" || hasAccuracy(pipelines)),
      },
    },
  };
  const refusals = ARMS.map((arm) => ({ arm, reason: refusalOf(base, arm) }));
  const arms = refusals.flatMap(({ arm, reason }) => (reason === null ? [arm] : []));
  const refused = refusals.flatMap(({ arm, reason }) => (reason === null ? [] : [{ arm, reason }]));
  const points = cells.flatMap((cell) =>
    arms.map(({ scheduler }) => ({
      scheduler,
      "workload.ratePerS": pipelines.capacityPerS * cell.load,
      "workload.cv": cell.cv,
      ...Object.fromEntries(
        Object.keys(goalsMs).map((pipeline) => [
          `pipelines.${pipeline}.slo.latencyMs`,
          goalOf(pipeline, cell.goal),
        ]),
      ),
    })),
  );
  const document = { ...base, sweep: { points } };
  return { name: base.name, pipelines, shape, arms, refused, cells, document };
}

function hasAccuracy({ models }: Pipelines): boolean {
  return Object.values(models).some(([, accuracy]) => accuracy !== undefined);
}

/** Why a scheduler does not take a scenario; null where it does. */
function refusalOf(base: Sections, { scheduler }: Arm): string | null {
  const system = compileSystem(scenarioSchema.parse({ ...base, scheduler }), { profiles: {} });
  try {
    createScheduler(scheduler, system, "1");
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}
