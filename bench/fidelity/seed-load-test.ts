/**
 * The seed project's own load test beside `scenarios/seed-load-test.yaml`: 1 to 4 instances of each model, batches of
 * up to 1, 3 and 5, clients that double every 20 s. The scenario's figures come from the requests of three of the
 * twelve configurations, each by a formula of its own (`seed-figures.test-support.ts`); none is fitted to a simulation.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import { RequestRows } from "../../engine/metrics/recorder.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { estimate, meanOf } from "../../engine/statistics/estimate.ts";
import { openSweep } from "../../scenario/expand-sweep.ts";
import { parseScenario } from "../../scenario/parse.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import { runReplication } from "../../sim/replication.ts";

const SCENARIO = fileURLToPath(new URL("../../scenarios/seed-load-test.yaml", import.meta.url));

/** The three configurations that the scenario was made of. */
export const MEASURED = ["1x-batch1", "1x-batch3", "4x-batch1"] as const;
export type MeasuredName = (typeof MEASURED)[number];

/** One request of a load test. Times count from the first request. */
export interface TestRequest {
  readonly startMs: number;
  /** Until the answer, or until the client gave up. */
  readonly latencyMs: number;
  readonly isAnswered: boolean;
}

/** In order of their ends. */
export function measuredRequests(name: MeasuredName): TestRequest[] {
  const file = new URL(`seed-load-test/requests-${name}.csv`, import.meta.url);
  const [, ...lines] = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => {
    const [startMs, latencyMs, , ok] = line.split(",").map(Number);
    return { startMs, latencyMs, isAnswered: ok === 1 };
  });
}

/** Clients of each level. */
const LEVELS = [1, 2, 4, 8, 16, 32, 64] as const;
export const LEVEL_MS = 20_000;

/** Requests that started in one level, or (level "all") of a whole run. */
interface LevelFigures {
  readonly answers: number;
  readonly timeouts: number;
  /** NaN without answers. */
  readonly latencyMeanMs: number;
}

export interface RunFigures {
  /** Answers by the time from the first start to the last end, a time-out's being one. */
  readonly throughputPerS: number;
  readonly all: LevelFigures;
  /** By `LEVELS`. */
  readonly levels: readonly LevelFigures[];
}

/** As the measurement's own summary counts, whose levels are 20 s each by a request's start. */
export function runFigures(requests: readonly TestRequest[]): RunFigures {
  const figuresOf = (some: readonly TestRequest[]): LevelFigures => {
    const answered = some.filter(({ isAnswered }) => isAnswered);
    return {
      answers: answered.length,
      timeouts: some.length - answered.length,
      latencyMeanMs: meanOf(answered.map(({ latencyMs }) => latencyMs)),
    };
  };
  const levelOf = ({ startMs }: TestRequest): number =>
    Math.min(LEVELS.length - 1, Math.floor(startMs / LEVEL_MS));
  const all = figuresOf(requests);
  const lastMs = Math.max(...requests.map(({ startMs, latencyMs }) => startMs + latencyMs));
  return {
    throughputPerS: all.answers / (lastMs / 1000),
    all,
    levels: LEVELS.map((_, level) => figuresOf(requests.filter((one) => levelOf(one) === level))),
  };
}

/** One level of one configuration. */
export interface SeedRow {
  readonly instances: number;
  readonly batch: number;
  /** Its clients. */
  readonly level: number | "all";
  /** Answers. */
  readonly requests: Estimate;
  /** Only the row of the whole run has it. */
  readonly throughputPerS: Estimate | null;
  /** Null where no run has an answer. */
  readonly latencyMeanMs: Estimate | null;
  readonly timeouts: Estimate;
  /** Half the width of the range that holds 95% of single runs' mean latencies, were they normal. */
  readonly runSpread95Ms: number | null;
  /** Only of the three configurations that were measured. */
  readonly measured?: LevelFigures & { readonly throughputPerS: number | null };
}

/** The scenario's twelve configurations, each over so many replications; `overrides` as from `--set`. */
export function seedLoadTest(
  replications = 100,
  overrides: Readonly<Record<string, unknown>> = {},
): SeedRow[] {
  const loaded = parseScenario(readFileSync(SCENARIO, "utf8"), SCENARIO, noFile, overrides, {
    checkScheduler,
  });
  const { profiles, traces } = loaded;
  const sweep = openSweep(loaded);
  return Array.from({ length: sweep.count }, (_, i) => sweep.at(i)).flatMap(
    ({ document, parameters }) => {
      const [instances, , batch] = Object.values(parameters).map(Number);
      const runs = Array.from({ length: replications }, (_, replication) => {
        const requests: TestRequest[] = [];
        const rows = new RequestRows(({ count, arrivedUs, latencyUs, outcome }) => {
          for (let row = 0; row < count; row++) {
            requests.push({
              startMs: arrivedUs[row] / 1000,
              latencyMs: latencyUs[row] / 1000,
              isAnswered: OUTCOMES[outcome[row]] === "completed",
            });
          }
        });
        runReplication(document, { profiles, traces }, replication, { requests: rows });
        return runFigures(requests);
      });
      const name = MEASURED.find((one) => one === `${instances}x-batch${batch}`);
      const measured = name === undefined ? undefined : runFigures(measuredRequests(name));
      const rowOf = (level: number | "all", of: (run: RunFigures) => LevelFigures): SeedRow => {
        const isAll = level === "all";
        const latencies = runs
          .map((run) => of(run).latencyMeanMs)
          .filter((ms) => !Number.isNaN(ms));
        const latencyMeanMs = latencies.length === 0 ? null : estimate(latencies);
        return {
          instances,
          batch,
          level,
          latencyMeanMs,
          requests: estimate(runs.map((run) => of(run).answers)),
          timeouts: estimate(runs.map((run) => of(run).timeouts)),
          throughputPerS: isAll ? estimate(runs.map(({ throughputPerS }) => throughputPerS)) : null,
          runSpread95Ms: latencyMeanMs && latencyMeanMs.halfWidth95 * Math.sqrt(latencies.length),
          ...(measured && {
            measured: { ...of(measured), throughputPerS: isAll ? measured.throughputPerS : null },
          }),
        };
      };
      const levels = LEVELS.map((clients, level) => rowOf(clients, (run) => run.levels[level]));
      return [...levels, rowOf("all", ({ all }) => all)];
    },
  );
}

function noFile(path: string): string {
  throw new Error(`the scenario names no file, but ${path}`);
}

/** How far predictions are from what was measured, of one configuration. */
export interface SeedErrors {
  /** Shares of the measured value; positive: too much was predicted. */
  readonly throughput: number;
  /** By level with answers. */
  readonly levels: readonly { readonly answers: number; readonly latency: number }[];
}

/** The errors of a configuration's rows; null where it was not measured. */
export function seedErrors(rows: readonly SeedRow[]): SeedErrors | null {
  const all = rows.find(({ level }) => level === "all");
  const measuredPerS = all?.measured?.throughputPerS ?? null;
  if (measuredPerS === null) return null;
  return {
    throughput: (all?.throughputPerS?.mean ?? 0) / measuredPerS - 1,
    levels: rows.flatMap(({ level, measured, latencyMeanMs }) => {
      if (level === "all" || measured === undefined || measured.answers === 0) return [];
      const latency = (latencyMeanMs?.mean ?? 0) / measured.latencyMeanMs - 1;
      return [{ answers: measured.answers, latency }];
    }),
  };
}

/** By configuration, in the order of the sweep. */
export function seedConfigurations(rows: readonly SeedRow[]): SeedRow[][] {
  const size = LEVELS.length + 1;
  return Array.from({ length: rows.length / size }, (_, i) => rows.slice(i * size, (i + 1) * size));
}

/**
 * The third configuration as the two others alone predict it: their figures know no neighbours, and the recheck's
 * time is that of the source.
 */
export function seedLeftOut(replications = 100): SeedErrors {
  const four = { "cluster.replicas.detect": 4, "cluster.replicas.plate": 4 };
  const alone = {
    "cluster.nodes.0.contention": Array.from({ length: 8 }, () => 1),
    "scheduler.controller.recheckMs": 1000,
    sweep: { points: [{ ...four, "scheduler.batching.maxBatch": 1 }] },
  };
  return seedErrors(seedLoadTest(replications, alone)) as SeedErrors;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 10_000 ? 2 : 1);
const percent = (share: number): string =>
  `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)}%`;
const nameOf = ({ instances, batch }: SeedRow): string => `${instances} × ${batch}`;
const rowOf = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The section of a page, in Markdown. */
export function seedLoadTestSection(rows: readonly SeedRow[], leftOut: SeedErrors): string {
  const configurations = seedConfigurations(rows);
  const known = configurations.flatMap((one) => {
    const errors = seedErrors(one);
    return errors === null ? [] : [{ rows: one, errors }];
  });
  const title = (first: string, ...more: string[]): string[] => [
    rowOf([first, ...LEVELS.map(String), ...more]),
    rowOf(["---", ...LEVELS.map(() => "---:"), ...more.map(() => "---:")]),
  ];
  const levels = (one: readonly SeedRow[]): SeedRow[] => one.filter(({ level }) => level !== "all");
  const timeouts = (count: number): string =>
    count < 0.05 ? "" : ` (${Number(count.toFixed(1))} late)`;
  const predicted = ({ latencyMeanMs, runSpread95Ms, timeouts: { mean } }: SeedRow): string =>
    latencyMeanMs === null
      ? `–${timeouts(mean)}`
      : `${seconds(latencyMeanMs.mean)} ± ${seconds(runSpread95Ms ?? 0)}${timeouts(mean)}`;
  const measured = ({ measured: figures }: SeedRow): string => {
    if (figures === undefined) return "";
    const { answers, latencyMeanMs, timeouts: late } = figures;
    return `${answers === 0 ? "–" : seconds(latencyMeanMs)}${timeouts(late)}`;
  };
  const perS = (one: readonly SeedRow[]): SeedRow => one[one.length - 1];
  return [
    "The seed project's own load test (`scenarios/seed-load-test.yaml`): mean latency in s of the requests that start",
    "in each level of clients, and answers per s of the whole run. The scenario's figures come from three of the",
    "twelve configurations, by one formula each; its queues are those of the server's source. `late`: requests",
    "that timed out after 120 s; ±: the range of 95% of single runs, as one run was measured.",
    "",
    ...title("measured, predicted, error", "per s"),
    ...known.flatMap(({ rows: one, errors }) => {
      let level = 0;
      const shown = levels(one).map((row) =>
        row.measured?.answers === 0 ? "" : percent(errors.levels[level++].latency),
      );
      const { measured: whole, throughputPerS } = perS(one);
      return [
        rowOf([
          `${nameOf(one[0])} measured`,
          ...levels(one).map(measured),
          (whole?.throughputPerS ?? 0).toFixed(3),
        ]),
        rowOf(["predicted", ...levels(one).map(predicted), (throughputPerS?.mean ?? 0).toFixed(3)]),
        rowOf(["error", ...shown, percent(errors.throughput)]),
      ];
    }),
    "",
    `Left out, and predicted from the two others alone, 4 × 1 is off by ${percent(leftOut.throughput)} in throughput`,
    `and by ${leftOut.levels.map(({ latency }) => percent(latency)).join(", ")} in its levels.`,
    "",
    "The other nine, instances × batch:",
    "",
    ...title("predicted", "per s"),
    ...configurations
      .filter((one) => seedErrors(one) === null)
      .map((one) => {
        const { throughputPerS } = perS(one);
        const { mean, halfWidth95 } = throughputPerS ?? { mean: 0, halfWidth95: 0 };
        const rate = `${mean.toFixed(3)} ± ${halfWidth95.toFixed(3)}`;
        return rowOf([nameOf(one[0]), ...levels(one).map(predicted), rate]);
      }),
    "",
  ].join("\n");
}
