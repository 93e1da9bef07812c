/**
 * The package's entry for programs: everything that the command does, as functions over data.
 *
 * ```ts
 * import { scenario, sweep } from "tandem-serving";
 * const loaded = await scenario("scenario.yaml", { "workload.ratePerS": 40 });
 * const { configurations } = await sweep(loaded, { onProgress: ({ done, total }) => console.log(done, total) });
 * ```
 *
 * Functions take what others gave, and change none of it. Long ones take `onProgress`, `onNote` and an
 * `AbortSignal`, and `follow` makes an async iterable of them; every refusal is a `Fault` with a code, a hint, and all issues at once. Under another program
 * than Node, such as a notebook's Deno, a process of Node does the work.
 *
 * @module tandem-serving
 */
import type { Calibration } from "../calibration/calibrate.ts";
import type { Explanation } from "../calibration/explain.ts";
import type {
  ClusterEnd,
  ClusterReplica,
  ClusterState,
  ClusterStatus,
} from "../cluster/deploy/state.ts";
import { compileSystem } from "../core/compile.ts";
import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { ReportFiles, ReportOptions } from "../reports/write-report.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { OWN_TOOLS, type OwnTools } from "../schedulers/own-scheduler.ts";
import { playOnce, type Verdict } from "../schedulers/play.ts";
import type { CalibrateOptions } from "./calibrate.ts";
import type {
  ClusterAccess,
  ClusterAddOptions,
  ClusterFolder,
  ClusterUpOptions,
} from "./cluster.ts";
import { inNode } from "./in-node.ts";
import type { LoadMeasurement, LoadOptions, Workload } from "./load.ts";
import type { Planned, PlanSettings } from "./plan.ts";
import type { Row } from "./query.ts";
import type { Scenario } from "./scenario.ts";
import type { SweepOptions } from "./sweep.ts";
import type { ValidateOptions, Validation } from "./validation.ts";
import type { Watch } from "./watch.ts";

export type { Calibration } from "../calibration/calibrate.ts";
export type { Explanation } from "../calibration/explain.ts";
export type {
  ClusterEnd,
  ClusterReplica,
  ClusterState,
  ClusterStatus,
} from "../cluster/deploy/state.ts";
export { Fault, type FaultCode, type Issue } from "../core/fault.ts";
export type {
  ConfigurationResult,
  Estimate,
  MetricName,
  ResultsDocument,
  ValidationDocument,
} from "../core/results.ts";
export type { ScenarioDocument } from "../core/scenario/schema.ts";
export type { ReportFiles, ReportOptions } from "../reports/write-report.ts";
export type {
  OwnComposition,
  OwnPack,
  OwnSchedulerFile,
  OwnTools,
} from "../schedulers/own-scheduler.ts";
export type { Verdict } from "../schedulers/play.ts";
export type { CalibrateOptions } from "./calibrate.ts";
export type {
  ClusterAccess,
  ClusterAddOptions,
  ClusterFolder,
  ClusterUpOptions,
} from "./cluster.ts";
export { follow, type Step } from "./follow.ts";
export type { LoadMeasurement, LoadOptions, Workload } from "./load.ts";
export type { Planned, PlanSettings } from "./plan.ts";
export type { PlanDocument } from "./plan-results.ts";
export type { Row } from "./query.ts";
export { type Overrides, type Scenario, type ScenarioOptions, scenario } from "./scenario.ts";
export type { SweepOptions } from "./sweep.ts";
export type { ValidateOptions, Validation } from "./validation.ts";
export type { Progress, Watch } from "./watch.ts";

/**
 * Simulates the scenario's own configuration, without its sweep. Progress counts replications.
 */
export function simulate(loaded: Scenario, options: Watch = {}): Promise<ConfigurationResult> {
  return inNode("simulate", loaded, options);
}

/**
 * Simulates every configuration of the scenario's sweep, on threads: the document of `tandem simulate --json`.
 * Progress counts configurations. With `directory`, an aborted sweep goes on where it was.
 * Throws Fault("invalid-input") with the sweep's issues.
 */
export function sweep(loaded: Scenario, options: SweepOptions = {}): Promise<ResultsDocument> {
  return inNode("sweep", loaded, options);
}

/**
 * Finds the cheapest cluster, placement and scheduler that keep the scenario's latency goals: the document of
 * `tandem plan --json`, and a scenario that runs the plan.
 */
export function plan(loaded: Scenario, options: PlanSettings = {}): Promise<Planned> {
  return inNode("plan", loaded, options);
}

/**
 * Measures the real models of a scenario and the cost of messages on this machine. `scenario(source, overrides,
 * { files })` takes the profiles that it gives. Throws Fault("invalid-input") where no model has an implementation.
 */
export function calibrate(loaded: Scenario, options: CalibrateOptions = {}): Promise<Calibration> {
  return inNode("calibrate", loaded, options);
}

/**
 * Simulates the configurations that the scenario chooses for validation, runs them on real processes, and judges the
 * predictions. Progress counts seconds. Throws Fault("deadline-exceeded") where `budgetS` is too short for a run.
 */
export function validate(loaded: Scenario, options: ValidateOptions = {}): Promise<Validation> {
  return inNode("validate", loaded, options);
}

/**
 * Says where the gap between prediction and measurement comes from: service, network, gateway, queueing, load.
 * `validation` is what `validate` gave, or the folder that it wrote.
 */
export function explain(validation: string | Validation): Promise<readonly Explanation[]> {
  return inNode("explain", validation);
}

/**
 * Sends a workload to any endpoint of the Open Inference Protocol, or any address, and measures the answers.
 * Progress counts requests. Throws Fault("cluster-failure") where nothing answers.
 */
export function load(target: Scenario | Workload, options: LoadOptions): Promise<LoadMeasurement> {
  return inNode("load", target, options);
}

/** Rows of one SELECT over a folder of `sweep`; without SQL, its tables and columns. */
export function query(directory: string, sql?: string): Promise<readonly Row[]> {
  return sql === undefined ? inNode("query", directory) : inNode("query", directory, sql);
}

/** Writes the report of a folder of `sweep` or `validate`: one HTML page, each chart as Vega-Lite, SVG and PNG. */
export function report(directory: string, options: ReportOptions = {}): Promise<ReportFiles> {
  return inNode("report", directory, options);
}

/** The real deployment of a folder: a gateway, and a process for each worker. It outlives the program. */
export const cluster = {
  /** Starts it. Throws Fault("usage") where one is up already. */
  up: (loaded: Scenario, options: ClusterUpOptions = {}): Promise<ClusterState> =>
    inNode("clusterUp", loaded, options),
  /** Null where none was started. */
  status: (options: ClusterAccess = {}): Promise<ClusterStatus | null> =>
    inNode("clusterStatus", options),
  /** Adds a replica to a task, up to `spare` of it; resolves once it takes jobs. */
  add: (task: string, options: ClusterAddOptions = {}): Promise<ClusterReplica> =>
    inNode("clusterAdd", task, options),
  /** Removes a replica by its name once its batch has ended: no request is lost. */
  remove: (replica: string, options: ClusterAccess = {}): Promise<void> =>
    inNode("clusterRemove", replica, options),
  /** Stops it; null where none was up. */
  down: (options: ClusterFolder = {}): Promise<ClusterEnd | null> => inNode("clusterDown", options),
};

/** A rule of your own: admission, routing, ordering, batching, shedding or scaling. `docs/your-own-scheduler.md`. */
export const definePolicy: OwnTools["definePolicy"] = OWN_TOOLS.definePolicy;

/** A controller of your own, which hears events and gives commands. `docs/your-own-scheduler.md`. */
export const defineController: OwnTools["defineController"] = OWN_TOOLS.defineController;

/**
 * Plays random run `number` of the scenario's scheduler, as `tandem check` does: load, losses, returns and
 * cancelled requests in any order. The rule that it breaks, with the steps that lead there; else null.
 */
export function play(loaded: Scenario, number: number): Verdict | null {
  const { document, own } = loaded;
  const system = compileSystem(document, loaded);
  const make = () => createScheduler(document.scheduler, system, "1", own);
  return playOnce(system, make, number, "rough");
}
