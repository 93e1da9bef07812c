/** Configurations of one sweep, run by their index: the same on any thread. */
import { setFlagsFromString } from "node:v8";
import { isSpanned, knownRequests } from "../engine/arrivals/arrival-source.ts";
import { interruptBudget, MORE_INLINING } from "../engine/basics/hot-path.ts";
import { OneRunSeries } from "../engine/metrics/one-run.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { comparedMetrics } from "../results/compare.ts";
import type { DrawnRun } from "../results/input-effects.ts";
import { type Configuration, openSweep, type Sweep } from "../scenario/expand-sweep.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { WorkloadDocument } from "../scenario/schema/scenario.ts";
import type { Sample } from "../scenario/sweep/axes.ts";
import {
  configurationLoad,
  drawnSteps,
  replicationSteps,
  type SimulationInputs,
  type WarmedUp,
  withWarmUp,
} from "../sim/replication.ts";
import {
  configurationResult,
  firstReplications,
  type Kept,
  keptReplications,
  type Part,
  wantedReplications,
} from "./configuration-result.ts";
import { runColumns, type SweepRecord } from "./records.ts";
import { RequestSpool, spoolFile } from "./request-files.ts";

/** A scenario with the schedulers of the user that it names. */
export interface ReadyScenario extends LoadedScenario, Pick<SimulationInputs, "own"> {}

/** Everything a thread needs to run its share of a sweep. Plain data without `loaded.own`: may be cloned. */
export interface SweepPlan {
  readonly loaded: ReadyScenario;
  /** Without it, the whole sweep. */
  readonly sample?: Sample | undefined;
  /** The sweep's folder, where each request leaves a row; without it, none does. */
  readonly requestsIn?: string | undefined;
}

/** Latency curves are kept for sweeps of at most so many configurations. */
const DETAILED_CONFIGURATIONS = 100;

export class ConfigurationWork {
  readonly #plan: SweepPlan;
  readonly #sweep: Sweep;
  readonly #kept: Kept;
  #current = -1;
  #configuration: Configuration | undefined;
  #readied: WarmedUp | undefined;

  constructor(plan: SweepPlan) {
    this.#plan = plan;
    const { loaded, sample } = plan;
    this.#sweep = openSweep(loaded, sample);
    const metrics = comparedMetrics(loaded.document.run);
    this.#kept = { metrics, replications: keptReplications(this.count, metrics.length) };
  }

  get count(): number {
    return this.#sweep.count;
  }

  id(index: number): string {
    return this.#at(index).id;
  }

  replications(index: number): number {
    return firstReplications(this.#at(index).document.run);
  }

  /** The number of replications to run after `parts`; their own number when that is enough. */
  wanted(index: number, parts: readonly Part[]): number {
    return wantedReplications(this.#at(index).document, parts);
  }

  /** Replications first .. end − 1, in short steps. */
  *part(index: number, first: number, end: number): Generator<undefined, Part, void> {
    const { document, warmUp } = yield* this.#ready(index);
    const lonely = this.replications(index) === 1 && isSpanned(document.workload);
    const curve = this.count <= DETAILED_CONFIGURATIONS;
    const spool =
      this.#plan.requestsIn && new RequestSpool(spoolFile(this.#plan.requestsIn, index, first));
    const summaries: RunSummary[] = [];
    const drawn: DrawnRun[] = [];
    try {
      for (let replication = first; replication < end; replication++) {
        const requests = spool ? spool.rowsOf(replication) : null;
        const alone = lonely ? { latencySink: new OneRunSeries() } : {};
        const options = { curve, requests, ...alone };
        prepareCompiler(document.workload);
        const result = yield* replicationSteps(document, this.#plan.loaded, replication, options);
        summaries.push(result.summary);
        drawn.push(...(yield* drawnSteps(document, this.#plan.loaded, replication)));
      }
    } finally {
      if (spool) spool.close();
    }
    const load = first === 0 ? configurationLoad(document, this.#plan.loaded) : null;
    return { summaries, drawn, load, ...(warmUp === undefined ? {} : { warmUp }) };
  }

  /** A configuration from beginning to end, in short steps. */
  *whole(index: number): Generator<undefined, SweepRecord, void> {
    const parts: Part[] = [];
    let wanted = this.replications(index);
    for (let have = 0; have < wanted; wanted = this.wanted(index, parts)) {
      parts.push(yield* this.part(index, have, wanted));
      have = wanted;
    }
    return this.record(index, parts);
  }

  /** All parts of a configuration, in order, as its record. */
  record(index: number, parts: readonly Part[]): SweepRecord {
    const result = configurationResult(this.#at(index), parts, this.#kept);
    return { index, result, runs: runColumns(parts.flatMap((part) => part.summaries)) };
  }

  /** With its warm-up found, which only a thread that runs it needs. */
  *#ready(index: number): Generator<undefined, WarmedUp, void> {
    const { document } = this.#at(index);
    this.#readied ??= yield* withWarmUp(document, this.#plan.loaded);
    return this.#readied;
  }

  /** Keeps the last configuration: its replications share one document. */
  #at(index: number): Configuration {
    if (this.#configuration === undefined || this.#current !== index) {
      this.#configuration = this.#sweep.at(index);
      this.#current = index;
      this.#readied = undefined;
    }
    return this.#configuration;
  }
}

interface Settings {
  /** So many requests, in one run or in several, repay them. */
  readonly from: number;
  readonly options: readonly string[];
}

/**
 * V8's flags for long runs, in order; docs/hot-path.md has their worth. V8 takes stored code only with the
 * settings that it was made under, so short programs change none.
 */
const SETTINGS: readonly Settings[] = [
  { from: 100_000, options: interruptBudget(500_000, process.versions.node) },
  { from: 1_000_000, options: MORE_INLINING },
];

/** Requests of all runs so far. */
let requests = 0;
let reached = 0;

/** Call it before each run: it sets the flags that pay from then on, in the whole process. */
export function prepareCompiler(workload: WorkloadDocument): void {
  if (reached === SETTINGS.length) return;
  requests += knownRequests(workload) ?? 0;
  for (; requests >= (SETTINGS[reached]?.from ?? Number.POSITIVE_INFINITY); reached++) {
    for (const option of SETTINGS[reached].options) setFlagsFromString(option);
  }
}
