/**
 * What a schema cannot say about a scenario. Each check names the sections it reads, so that a bad
 * section silences only the checks that need it, and a sweep repeats only what its values touch.
 */
import type { Issue } from "../fault.ts";
import { checkSweep } from "./axes.ts";
import {
  checkFaultRates,
  checkFaults,
  checkScaling,
  checkScalingIntervals,
} from "./check-changes.ts";
import {
  checkMemory,
  checkNetwork,
  checkPower,
  checkReplicas,
  checkSlots,
} from "./check-cluster.ts";
import {
  checkBatches,
  checkImplementations,
  checkModels,
  checkTaskModels,
  type FileExists,
} from "./check-models.ts";
import { checkGraphs, checkSharing } from "./check-pipelines.ts";
import { checkCompared, checkUntil, checkValidation } from "./check-run.ts";
import { checkCircle, checkInputSizes, checkWorkload } from "./check-workload.ts";
import type { DataFiles } from "./files.ts";
import type { ScenarioDocument, SchedulerDocument } from "./schema.ts";
import type { SectionName, Sections } from "./sections.ts";

/** Checks names and parameters of a scheduler found at `path`; issues name paths under it. */
type CheckScheduler = (value: SchedulerDocument, path: string) => readonly Issue[];

/** How much a configuration can serve, and what bounds it. */
export interface ServingCapacity {
  /** Requests per second at which the busiest station is busy all the time. */
  readonly perS: number;
  readonly station: string;
}

/** Null where the traffic equations do not reach. From the simulator, which core cannot import. */
export type CapacityOf = (document: ScenarioDocument, files: DataFiles) => ServingCapacity | null;

export interface CheckOptions {
  /** From the schedulers, which core cannot import; default: any name passes. */
  readonly checkScheduler?: CheckScheduler;
  /** True where service times are needed now: a model still to be calibrated is an issue. */
  readonly requireTimes?: boolean;
  /** For arrival rates given as shares of capacity; without it they are refused where times are needed. */
  readonly capacityOf?: CapacityOf;
  /** Default: files that models name are not looked for. */
  readonly exists?: FileExists;
}

export interface CheckContext extends CheckOptions {
  readonly file: string;
  readonly files: DataFiles;
}

export interface Check {
  readonly reads: readonly SectionName[];
  /** Issues without positions. May rely only on the sections in `reads`. */
  readonly run: (document: ScenarioDocument, context: CheckContext) => readonly Issue[];
}

export const CHECKS: readonly Check[] = [
  { reads: ["pipelines"], run: (document) => checkGraphs(document) },
  { reads: ["pipelines"], run: (document) => checkSharing(document) },
  { reads: ["pipelines", "models"], run: (document) => checkTaskModels(document) },
  {
    reads: ["models", "cluster"],
    run: (document, { file, files, requireTimes = false }) =>
      checkModels(document, { file, profiles: files.profiles, requireTimes }),
  },
  {
    reads: ["models"],
    run: (document, { file, exists }) => checkImplementations(document, file, exists),
  },
  { reads: ["pipelines", "cluster"], run: (document) => checkReplicas(document) },
  { reads: ["cluster"], run: (document) => checkSlots(document) },
  { reads: ["cluster"], run: (document) => checkPower(document) },
  { reads: ["cluster"], run: (document) => checkNetwork(document) },
  { reads: ["pipelines", "models", "cluster"], run: (document) => checkMemory(document) },
  {
    reads: ["scheduler"],
    run: (document, { checkScheduler }) => checkScheduler?.(document.scheduler, "scheduler") ?? [],
  },
  {
    reads: ["pipelines", "models", "scheduler"],
    run: (document, { files }) => checkBatches(document, files.profiles),
  },
  {
    reads: ["workload"],
    run: (document, { files }) => checkWorkload(document, files.traces),
  },
  { reads: ["workload", "scheduler", "cluster"], run: (document) => checkCircle(document) },
  { reads: ["workload", "models"], run: (document) => checkInputSizes(document) },
  {
    reads: ["pipelines", "cluster", "scheduler"],
    run: (document) => checkScaling(document),
  },
  {
    reads: ["scheduler", "workload", "run"],
    run: (document) => checkScalingIntervals(document),
  },
  { reads: ["cluster", "faults"], run: (document) => checkFaults(document) },
  {
    reads: ["cluster", "faults", "workload", "run"],
    run: (document) => checkFaultRates(document),
  },
  { reads: ["validation", "models"], run: (document) => checkValidation(document) },
  { reads: ["run"], run: (document) => checkUntil(document) },
  { reads: ["run", "sweep"], run: (document) => checkCompared(document) },
  { reads: ["sweep"], run: (document) => checkSweep(document) },
];

/** All issues of the checks whose sections parsed; `failed` names the sections that did not. */
export function runChecks(
  sections: Sections,
  failed: ReadonlySet<string>,
  context: CheckContext,
): Issue[] {
  return CHECKS.filter((check) => check.reads.every((section) => !failed.has(section))).flatMap(
    // The sections that the check reads are there, and by its contract it reads no others.
    (check) => check.run(sections as ScenarioDocument, context),
  );
}
