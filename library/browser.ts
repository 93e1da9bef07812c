/**
 * The package's entry for browsers: the simulator of `tandem simulate`, without Node.
 *
 *   import { readScenario, simulate } from "tandem-serving/browser";
 *   const scenario = readScenario(text, { overrides: { "workload.ratePerS": 40 } });
 *   for await (const { index, replications, result } of simulate(scenario)) draw(index, result);
 *
 * The same scenario and seed give the same digests and figures as the command, to the digit.
 */
import { loadHighs } from "../build/load-highs.ts";
import { isSpanned } from "../engine/arrivals/arrival-source.ts";
import type { Outcome } from "../engine/dispatch/driver.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { OneRunSeries } from "../engine/metrics/one-run.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { observeRun } from "../engine/record/observed-run.ts";
import { comparedMetrics } from "../results/compare.ts";
import type { ConfigurationResult } from "../results/documents.ts";
import type { DrawnRun } from "../results/input-effects.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { checkedSweep, type Sweep } from "../scenario/expand-sweep.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { LoadedScenario, ReadFile } from "../scenario/reading/files.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { DECISIONS } from "../scenario/schema/scheduler.ts";
import { catalogue } from "../schedulers/catalogue.ts";
import { checkFit, checkScheduler } from "../schedulers/check-scheduler.ts";
import { asksForSolver, useSolver } from "../schedulers/rules/solver.ts";
import {
  configurationLoad,
  drawnSteps,
  replicationSteps,
  runReplication,
  servingCapacity,
  withWarmUp,
} from "../sim/replication.ts";
import {
  configurationResult,
  firstReplications,
  keptReplications,
  type Part,
  wantedReplications,
} from "../sweep/configuration-result.ts";
import { requireScenario } from "./scenario-source.ts";
import { policyParameters, type SchedulerParameter } from "./scheduler-parameters.ts";

export type {
  AnsweredRequest,
  ControlledReplica,
  GatewayStatus,
  MeasurementLine,
  PipelineStatus,
  ReplicaBatching,
  ReplicaStatus,
} from "../cluster/observe/gateway-status.ts";
export { Fault, type FaultCode, type Issue } from "../engine/basics/fault.ts";
export type { MetricName } from "../engine/metrics/figures.ts";
export type { Estimate } from "../engine/statistics/estimate.ts";
export type { ConfigurationResult } from "../results/documents.ts";
export type { JsonSchema, JsonSchemas } from "../scenario/json-schema.ts";
export type { LoadedScenario } from "../scenario/reading/files.ts";
export type { ScenarioDocument } from "../scenario/schema/scenario.ts";
export type { Catalogue, PolicyEntry } from "../schedulers/catalogue.ts";
export {
  type KeptScenario,
  type ScenarioSource,
  scenarioSource,
  scenarioText,
} from "./scenario-source.ts";
export type { SchedulerParameter } from "./scheduler-parameters.ts";

export interface ReadOptions {
  /** Name of the scenario in messages; default: scenario.yaml. */
  readonly file?: string;
  /** Texts of profiles, traces (CSV) and section files, by path as the scenario writes it. */
  readonly files?: Readonly<Record<string, string>>;
  /** Values by path, as from `--set`. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/**
 * Reads and checks a scenario from its text, YAML or JSON. Throws Fault("invalid-input") with every issue.
 * Traces in Parquet and schedulers in files of JavaScript are for Node alone, and issues here.
 */
export function readScenario(text: string, options: ReadOptions = {}): LoadedScenario {
  const { file = "scenario.yaml", files = {}, overrides = {} } = options;
  const byPath = new Map(Object.entries(files).map(([path, own]) => [plainPath(path), own]));
  const read: ReadFile = (path) => {
    const own = byPath.get(plainPath(path));
    if (own !== undefined) return own;
    throw new Error("it is not among the files at hand");
  };
  const capacityOf = servingCapacity;
  const checks = { checkScheduler, requireTimes: true, exists: () => true, capacityOf };
  return parseScenario(text, file, read, overrides, checks);
}

/** Without the steps that lead nowhere: `./a/b` is `a/b`. */
function plainPath(path: string): string {
  return path.replace(/^(\.\/)+/, "");
}

/** One configuration after one more of its replications. */
export interface SimulationStep {
  /** Place of the configuration in the sweep, 0 .. count − 1. */
  readonly index: number;
  readonly count: number;
  /** Replications behind `result`. */
  readonly replications: number;
  /** Whether the scenario asks for no further replication of this configuration. */
  readonly isWhole: boolean;
  /** As `tandem simulate --replications` gives it for so many replications. */
  readonly result: ConfigurationResult;
}

export interface SimulateOptions {
  /** Ends the iteration by its reason, at the latest after a few thousand events. */
  readonly signal?: AbortSignal;
}

/**
 * Simulates every configuration of a scenario, breadth first: the first replication of each, then the
 * second of each. A first answer is there early, and each step makes it more precise. Gives way to other
 * tasks of its thread every few milliseconds. Throws Fault("invalid-input") with the sweep's issues.
 */
export async function* simulate(
  scenario: LoadedScenario,
  { signal }: SimulateOptions = {},
): AsyncGenerator<SimulationStep, void, void> {
  requireScenario(scenario, "`readScenario(text)`");
  if (asksForSolver(scenario.document)) useSolver(await loadHighs());
  const sweep = checkedSweep(scenario, { checkScheduler, checkFit });
  const pause = pauses(signal);
  let open = [...Array(sweep.count).keys()].map((index) => stepsOf(scenario, sweep, index));
  while (open.length > 0) {
    const left: typeof open = [];
    for (const steps of open) {
      let step: SimulationStep | undefined;
      while (step === undefined) {
        step = steps.next().value ?? undefined;
        await pause();
      }
      yield step;
      if (!step.isWhole) left.push(steps);
    }
    open = left;
  }
}

/** All configurations to their ends: the `configurations` of `tandem simulate --json`. */
export async function simulateAll(
  scenario: LoadedScenario,
  options: SimulateOptions = {},
): Promise<readonly ConfigurationResult[]> {
  const results: ConfigurationResult[] = [];
  for await (const { index, result } of simulate(scenario, options)) results[index] = result;
  return results;
}

/**
 * The most that a configuration can serve, requests per second, and the station that bounds it. Null
 * where the traffic equations do not reach.
 */
export function capacityOf(
  scenario: LoadedScenario,
  document: ScenarioDocument = scenario.document,
): { readonly perS: number; readonly station: string } | null {
  return servingCapacity(document, scenario);
}

/** Longer than this without a pause, and a page's clicks lag. */
const TURN_MS = 8;

/** A function that waits for other tasks where a turn has lasted long enough; throws once aborted. */
function pauses(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let turnMs = performance.now();
  return () => {
    signal?.throwIfAborted();
    if (performance.now() - turnMs < TURN_MS) return undefined;
    return nextTask().then(() => {
      turnMs = performance.now();
      signal?.throwIfAborted();
    });
  };
}

/** Timers in a row wait 4 ms each in browsers; messages do not. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener(
      "message",
      () => {
        port1.close();
        resolve();
      },
      { once: true },
    );
    port1.start();
    port2.postMessage(null);
  });
}

/** Events between two pauses: some milliseconds. */
const eventsAStretch = (): number => 5000;

/**
 * One configuration of a sweep that has passed `checkedSweep`: gives undefined after each stretch, and a step after
 * each replication.
 */
function* stepsOf(
  scenario: LoadedScenario,
  sweep: Sweep,
  index: number,
): Generator<SimulationStep | undefined, void, void> {
  const { count } = sweep;
  const configuration = sweep.at(index);
  const metrics = comparedMetrics(scenario.document.run);
  const kept = { metrics, replications: keptReplications(count, metrics.length) };
  const { document, warmUp } = yield* withWarmUp(configuration.document, scenario);
  const summaries: RunSummary[] = [];
  const drawn: DrawnRun[] = [];
  const part: Part = {
    summaries,
    drawn,
    load: configurationLoad(document, scenario),
    ...(warmUp === undefined ? {} : { warmUp }),
  };
  let wanted = firstReplications(document.run);
  for (let isWhole = false; !isWhole; ) {
    // Alone, the first run needs intervals of its own; with others, `aggregate` takes theirs.
    const isAlone = summaries.length === 0 && isSpanned(document.workload);
    const options = { curve: true, ...(isAlone ? { latencySink: new OneRunSeries() } : {}) };
    const { length } = summaries;
    const run = replicationSteps(document, scenario, length, options, eventsAStretch);
    summaries.push((yield* run).summary);
    drawn.push(...(yield* drawnSteps(document, scenario, length, eventsAStretch)));
    if (summaries.length >= wanted) wanted = wantedReplications(document, [part]);
    isWhole = summaries.length >= wanted;
    const result = configurationResult(configuration, [part], kept);
    yield { index, count, replications: summaries.length, isWhole, result };
  }
}

/** A scheduler as a form: a preset with the parameters of its policies. */
export interface SchedulerForm {
  /** A preset: the `scheduler` of a scenario. */
  readonly name: string;
  readonly summary: string;
  readonly parameters: readonly SchedulerParameter[];
}

/** Every registered preset, the simplest first. */
export function schedulerForms(): readonly SchedulerForm[] {
  const { presets, policies } = catalogue();
  return presets.map(({ name, summary, composition }) => {
    const parameters = DECISIONS.flatMap((decision) => {
      const choice = composition[decision];
      const { policy, ...given } = typeof choice === "string" ? { policy: choice } : choice;
      const found = policies.find((one) => one.decision === decision && one.name === policy);
      return found === undefined ? [] : policyParameters(found, given);
    });
    return { name, summary, parameters };
  });
}

/** The first replication of the scenario as it stands, without its sweep. Times count from the run's start. */
export interface PlayedRun {
  readonly replicas: readonly { readonly name: string; readonly task: string }[];
  /** In order of arrival; bars name requests by their place here. */
  readonly requests: readonly PlayedRequest[];
  readonly bars: readonly PlayedBatch[];
}

export interface PlayedRequest {
  readonly pipeline: string;
  readonly arrivedMs: number;
  /** Null: it had not ended when the run was cut. */
  readonly endedMs: number | null;
  readonly outcome: Outcome | null;
}

export interface PlayedBatch {
  readonly task: string;
  readonly replica: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly requests: readonly number[];
}

/** A run is cut here, some milliseconds of work. */
const MOST_EVENTS = 30_000;
const MOST_BATCHES = 3000;

/** At most `most` requests. Deterministic. Rejects with Fault("invalid-input") as the simulator does. */
export async function playedRun(scenario: LoadedScenario, most: number): Promise<PlayedRun> {
  const { document } = scenario;
  if (asksForSolver(document)) useSolver(await loadHighs());
  const system = compileSystem(document, scenario);
  const log = new RunLog();
  const options = { log, ganttBars: MOST_BATCHES, maxEvents: MOST_EVENTS };
  const { gantt } = runReplication(document, scenario, 0, options);
  const requests = observeRun(log, system).requests.slice(0, most);
  const taskOf = (pool: string): string => pool.replace(/@.*$/, "");
  return {
    replicas: system.replicas.map(({ name, pool }) => ({
      name,
      task: taskOf(system.pools[pool].name),
    })),
    requests: requests.map(({ pipeline, arrivedUs, endUs, outcome }) => ({
      pipeline: system.pipelines[pipeline].name,
      arrivedMs: arrivedUs / 1000,
      endedMs: Number.isNaN(endUs) ? null : endUs / 1000,
      outcome,
    })),
    bars: gantt.flatMap(({ task, replica, startMs, endMs, requests: all }) => {
      const own = all.filter((request) => request < most);
      return own.length === 0
        ? []
        : [{ task: taskOf(task), replica, startMs, endMs, requests: own }];
    }),
  };
}
