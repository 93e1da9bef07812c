/**
 * The field: every preset on the same pipelines, shapes, loads and SLOs; and the map of it, with the arms that serve
 * most requests within their SLOs in each cell. Service times are assumed, as no set of measured ones is public for
 * all three pipelines.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { Fault } from "../../engine/basics/fault.ts";
import type { MetricName } from "../../engine/metrics/figures.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { estimate, sumOf } from "../../engine/statistics/estimate.ts";
import { compareGroup, halfWidth95, pairedDifference } from "../../results/compare.ts";
import type { ConfigurationResult } from "../../results/documents.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { type SchedulerDocument, scenarioSchema } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import type { Sections } from "./claim.ts";

/** A scheduler in the field. */
interface Arm {
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
  /** By pipeline: a tight and a loose SLO, ms. */
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
const LOADS = [0.5, 0.9, 1.5] as const;
const CVS = [1, 4] as const;
const GOALS = ["tight", "loose"] as const;

/** One combination of load and SLO; all arms meet the same requests there. */
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

const FIELD_METRICS = ["sloAttainmentRatio", "accuracyMean", "costPerHour", "latencyP99Ms"];

export function fieldScenario(
  pipelines: Pipelines,
  shape: Shape,
  effort: Effort,
  cells: readonly Cell[] = CELLS,
): FieldScenario {
  const { name, goalsMs } = pipelines;
  const workload = {
    arrivals: "gamma",
    ratePerS: pipelines.capacityPerS,
    cv: 1,
    durationS: effort.durationS,
    warmupS: effort.warmupS,
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
      seed: 1,
      replications: effort.replications,
      maxDrainS: 60,
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

/** Differences up to this share of the best mean are ties. */
export const MARGIN = 0.01;

interface Member {
  readonly arm: Arm;
  readonly value: Estimate;
  /** Not shown to be worse than another by more than the margin. */
  readonly isBest: boolean;
  readonly result: ConfigurationResult;
  readonly samples: readonly number[];
}

export interface CellResult {
  readonly scenario: FieldScenario;
  readonly cell: Cell;
  /** In the order of the arms: the simplest first. */
  readonly members: readonly Member[];
}

type Score = (result: ConfigurationResult) => readonly number[];

const samplesOf = (result: ConfigurationResult, metric: MetricName): readonly number[] =>
  result.samples?.[metric] ?? [];

const attained: Score = (result) => samplesOf(result, "sloAttainmentRatio");

/** Requests that are in time and right, as if lateness and accuracy had nothing to do with each other. */
export const attainedAndRight: Score = (result) => {
  const accuracy = samplesOf(result, "accuracyMean");
  return attained(result).map((ratio, i) => (ratio === 0 ? 0 : ratio * accuracy[i]));
};

/** Finds the best arms of each cell by multiple comparisons; `configurations` are in the order of the scenario's sweep. */
export function judgeCells(
  scenario: FieldScenario,
  configurations: readonly ConfigurationResult[],
  score: Score = attained,
): readonly CellResult[] {
  const { arms, cells } = scenario;
  return cells.map((cell, i) => {
    const results = configurations.slice(i * arms.length, (i + 1) * arms.length);
    const scored = results.map((result, a) => {
      const samples = score(result);
      const value = estimate(samples);
      // Compared by number: two arms may have configurations of one name.
      const compared = { sloAttainmentRatio: samples };
      return { ...result, id: `${a}`, samples: compared, metrics: { sloAttainmentRatio: value } };
    });
    const comparison = compareGroup(scored, ["scheduler"], "sloAttainmentRatio", MARGIN);
    const members = arms.map((arm, a): Member => {
      const verdict = comparison?.members[a].verdict;
      const { metrics, samples } = scored[a];
      return {
        arm,
        value: metrics.sloAttainmentRatio,
        isBest: verdict !== "worse",
        result: results[a],
        samples: samples.sloAttainmentRatio,
      };
    });
    return { scenario, cell, members };
  });
}

/** One arm over all cells that it runs in. */
export interface Standing {
  readonly arm: Arm;
  readonly cells: number;
  /** Cells in which it is among the best. */
  readonly best: number;
  /** Mean distance to the highest mean of the cell. */
  readonly behind: number;
  /** The mean cost per hour as a share of the cost of all devices. */
  readonly costShare: number;
}

export function standings(results: readonly CellResult[]): readonly Standing[] {
  const names = [...new Set(results.flatMap(({ members }) => members.map(({ arm }) => arm.name)))];
  const found = names.map((name): Standing => {
    const own = results.flatMap(({ members }) => {
      const member = members.find(({ arm }) => arm.name === name);
      if (member === undefined) return [];
      const most = Math.max(...members.map(({ value }) => value.mean));
      const full = Math.max(...members.map(({ result }) => costOf(result)));
      return [{ member, behind: most - member.value.mean, share: costOf(member.result) / full }];
    });
    const mean = (of: (one: (typeof own)[number]) => number): number =>
      own.reduce((sum, one) => sum + of(one), 0) / own.length;
    return {
      arm: own[0].member.arm,
      cells: own.length,
      best: own.filter(({ member }) => member.isBest).length,
      behind: mean(({ behind }) => behind),
      costShare: mean(({ share }) => share),
    };
  });
  return found.sort((a, b) => b.best / b.cells - a.best / a.cells || a.behind - b.behind);
}

const costOf = ({ metrics }: ConfigurationResult): number => metrics.costPerHour?.mean ?? 0;

/** Where an arm loses most to another: the cell, and the paired difference with its own 95% interval. */
interface Loss {
  readonly result: CellResult;
  readonly difference: Estimate;
}

/** Null where it is nowhere shown to lose by more than the margin. */
export function worstLoss(
  results: readonly CellResult[],
  name: string,
  against: string,
): Loss | null {
  const losses = results.flatMap((result): Loss[] => {
    const [own, other] = [name, against].map((one) =>
      result.members.find(({ arm }) => arm.name === one),
    );
    if (own === undefined || other === undefined) return [];
    const difference = pairedDifference(own.samples, other.samples);
    if (difference === null) return [];
    const width = halfWidth95(difference);
    if (difference.mean + width >= -MARGIN * other.value.mean) return [];
    return [{ result, difference: { mean: difference.mean, halfWidth95: width } }];
  });
  return losses.reduce<Loss | null>(
    (worst, one) => (worst === null || one.difference.mean < worst.difference.mean ? one : worst),
    null,
  );
}
