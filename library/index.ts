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
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { OWN_TOOLS, type OwnTools } from "../schedulers/own-scheduler.ts";
import { playOnce, type Verdict } from "../schedulers/play.ts";
import type { QueryResult } from "../sweep/query.ts";
import type { WebOptions, WebServer } from "./cluster.ts";
import { inNode } from "./in-node.ts";
import type { EndpointOptions, Workload } from "./load.ts";
import type { Swept } from "./results.ts";
import type { Overrides, Scenario } from "./scenario.ts";
import type { ShardedOptions } from "./shards.ts";
import type { SweepOptions } from "./sweep.ts";

export type { Calibration } from "../calibration/calibrate.ts";
export type { CheckedProfile } from "../calibration/check-profiles.ts";
export type { Explanation } from "../calibration/explain.ts";
export type {
  ClusterAccess,
  ClusterAddOptions,
  ClusterEnd,
  ClusterFolder,
  ClusterReplica,
  ClusterState,
  ClusterStatus,
} from "../cluster/deploy/state.ts";
export { Fault, type FaultCode, type Issue } from "../engine/basics/fault.ts";
export type { MetricName } from "../engine/metrics/figures.ts";
export type { Estimate } from "../engine/statistics/estimate.ts";
export type { Answer as PlanAnswer, PlanEntry } from "../planning/plan.ts";
export type { ReportFiles, ReportOptions } from "../reports/write-report.ts";
export type { Comparison, ConfigurationResult, ResultsDocument } from "../results/documents.ts";
export type { ValidationDocument } from "../results/validation.ts";
export type { ScenarioDocument } from "../scenario/schema/scenario.ts";
export type { Sample } from "../scenario/sweep/axes.ts";
export type {
  OwnComposition,
  OwnPack,
  OwnSchedulerFile,
  OwnTools,
} from "../schedulers/own-scheduler.ts";
export type { Verdict } from "../schedulers/play.ts";
export type { SubmittedJob } from "../sweep/engines/engine.ts";
export type { Cell, QueryResult, Row } from "../sweep/query.ts";
export { failureText, type ShardRecord } from "../sweep/shards/shard-folder.ts";
export type { CalibratedSteps, CalibrateOptions } from "./calibrate.ts";
export type { Checked } from "./check.ts";
export type { ClusterServeOptions, ClusterUpOptions, WebOptions, WebServer } from "./cluster.ts";
export type { Finding } from "./doctor.ts";
export type { Trace } from "./explain.ts";
export { follow, type Progress, type Step, type Watch } from "./follow.ts";
export type { ImportedTimes, ImportOptions } from "./import-times.ts";
export type { EndpointOptions, LoadMeasurement, LoadOptions, Workload } from "./load.ts";
export type { PlacedGroups } from "./place-groups.ts";
export type {
  Planned,
  PlanProgress,
  PlanSettings,
} from "./plan.ts";
export { type PlanDocument, planText } from "./plan-results.ts";
export { repeatCommand } from "./provenance.ts";
export type { ResultsComparison } from "./results.ts";
export { resultsText, type Swept } from "./results.ts";
export {
  type Overrides,
  type Scenario,
  type ScenarioOptions,
  scenario,
  scenarioText,
} from "./scenario.ts";
export type {
  ShardEstimate,
  ShardedOptions,
  ShardJobsOptions,
  ShardOptions,
  SweepStatus,
} from "./shards.ts";
export type { SweepOptions } from "./sweep.ts";
export type { TriedScheduler } from "./try-schedulers.ts";
export type { ValidateOptions, Validation, ValidationStart } from "./validate.ts";
export type { WhichScheduler } from "./which-scheduler.ts";

/** Finds everything that can be wrong with a scenario, without a run of it. @function */
export const check = inNode("check");

/** Simulates the scenario's own configuration, without its sweep. @function */
export const simulate = inNode("simulate");

/** Simulates every configuration of the scenario's sweep, on threads. @function */
export const sweep = inNode("sweep");

/**
 * The same for sweeps that are larger than memory: gives what `use` makes of the results, which it reads one by one
 * until it returns. In Node itself alone.
 */
export async function sweepThen<T>(
  loaded: Scenario,
  options: SweepOptions,
  use: (swept: Swept) => T | Promise<T>,
): Promise<T> {
  return (await import("./sweep.ts")).sweepThen(loaded, options, use);
}

/** A sweep cut into shards, which any machines run that see its folder. */
export const shards = {
  /**
   * Runs the shards that are missing on the engine of an inventory: threads here, or jobs of Slurm or Kubernetes.
   * Waits for them, unless it is to detach, and gives the jobs. Progress counts shards.
   */
  start: inNode("runShards"),
  /** Runs one shard in this process. Progress counts configurations. */
  run: inNode("runOneShard"),
  /** Leaves a note in the folder that a shard failed before it could `run`, as where its scenario is missing. */
  noteFailure: async (directory: string, shard: number, error: unknown): Promise<void> =>
    (await import("./shards.ts")).noteShardFailure(directory, shard, error),
  /** Rejects with Fault("not-found") where there is no such sweep. */
  status: inNode("shardsStatus"),
  /** Ends the jobs; finished shards are kept. Gives the state before. */
  cancel: inNode("cancelShards"),
  /**
   * Puts finished shards together: `sweep` with what this gives writes the results, to the byte as without shards.
   * Rejects with Fault("unavailable") while shards are missing. In Node itself alone.
   */
  gather: async (
    directory: string,
  ): Promise<{ readonly loaded: Scenario; readonly options: ShardedOptions }> =>
    (await import("./shards.ts")).gatherShards(directory),
};

/** Finds the cheapest cluster, placement and scheduler that keep the scenario's SLOs. @function */
export const plan = inNode("plan");

/** Finds groups of a scenario's devices, and the models of each, for the scheduler `alpaserve`. @function */
export const placeGroups = inNode("placeGroups");

/** Finds the scheduler that the study found best for cases like a scenario, and the command that checks it there. @function */
export const whichScheduler = inNode("whichScheduler");

/** Measures the real models of a scenario and the cost of messages on this machine. @function */
export const calibrate = inNode("calibrate");
/** Measures the iterations of a scenario's language models on this machine. @function */
export const calibrateSteps = inNode("calibrateSteps");
/** Whether stored profiles still hold on this machine: fresh, stale or cannot tell, by model. @function */
export const checkCalibration = inNode("checkCalibration");

/** A profile from times that another tool measured. @function */
export const importTimes = inNode("importTimes");

/** Makes the built-in models ready on this machine. @function */
export const prepareModels = inNode("prepareModels");

/** Fits a scenario file's SLO, branches and real runs to a calibrated machine. @function */
export const fitToMachine = inNode("fitToMachine");

/** Says why this machine is not fit to be measured on. @function */
export const hostWarnings = inNode("hostWarnings");

/** Runs chosen configurations of a scenario on real processes, and judges their predictions. @function */
export const validate = inNode("validate");

/** Says where the gap between prediction and measurement comes from. @function */
export const explain = inNode("explain");

/** Writes every batch and request of one run to a file that ui.perfetto.dev opens. @function */
export const trace = inNode("trace");

/** Paired differences of two results: did a change matter? @function */
export const compare = inNode("compare");

/** Sends a workload to any endpoint, and measures the answers. @function */
export const load = inNode("load");

/** A scenario whose one task stands for an endpoint, to send it a workload under other values. */
export async function endpoint(
  workload: Workload,
  overrides: Overrides = {},
  options: EndpointOptions = {},
): Promise<Scenario> {
  return (await import("./load.ts")).endpoint(workload, overrides, options);
}

/** Rows of one SELECT over a folder of `sweep`; without SQL, its tables and columns. @function */
export const query = inNode("query");

/** The same for more rows than memory holds: blocks of rows, read while they are asked for. In Node itself alone. */
export async function openQuery(directory: string, sql?: string): Promise<QueryResult> {
  return (await import("../sweep/query.ts")).openQuery(directory, sql);
}

/** Writes the report of a folder of `sweep` or `validate`. @function */
export const report = inNode("report");

/** The real deployment of a folder: a gateway, and a process for each worker. It outlives the program. */
export const cluster = {
  /** Starts it. Throws Fault("usage") where one is up already. */
  up: inNode("clusterUp"),
  /** Null where none was started. */
  status: inNode("clusterStatus"),
  /** Adds a replica to a task, up to `spare` of it; resolves once it takes jobs. */
  add: inNode("clusterAdd"),
  /** Removes a replica by its name once its batch has ended: no request is lost. */
  remove: inNode("clusterRemove"),
  /** Stops it; null where none was up. */
  down: inNode("clusterDown"),
  /** Writes an authority, and certificates of the gateway, its workers and its callers. */
  certs: inNode("clusterCerts"),
  /** Makes a bearer token, and adds its hash to a file. */
  token: inNode("clusterToken"),
  /** Runs one gateway or worker of `tandem deploy` in the foreground, as containers start it. */
  serve: inNode("clusterServe"),
};

/** Serves the web app on this machine, before any server that it is to measure. In Node itself alone. */
export async function web(options: WebOptions): Promise<WebServer> {
  return (await import("./cluster.ts")).web(options);
}

/** Looks for the parts that this machine has, and names the way to get the others. @function */
export const doctor = inNode("doctor");

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
