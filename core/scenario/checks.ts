/**
 * The checks that a schema cannot express. Each check names the sections it reads, so that a bad
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
  checkResources,
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
import type { Parts, ScenarioDocument, SchedulerDocument } from "./schema.ts";
import type { SectionName, Sections } from "./sections.ts";

/**
 * Checks names and parameters of a scheduler found at `path`; issues name paths under it. Without
 * `pipelines`, any name of a pipeline passes.
 */
type CheckScheduler = (
  value: SchedulerDocument,
  path: string,
  pipelines?: readonly string[],
) => readonly Issue[];

/** The most that a configuration can serve, and the station that bounds it. */
export interface ServingCapacity {
  /** Requests per second at which the busiest station is busy all the time. */
  readonly perS: number;
  readonly station: string;
}

/** The simulator gives it, which core cannot import. Null where the traffic equations do not reach. */
export type CapacityOf = (document: ScenarioDocument, files: DataFiles) => ServingCapacity | null;

export interface CheckOptions {
  /** The `file` of issues in values by path; default: overrides. */
  readonly overridesAs?: string;
  /** The schedulers give it, which core cannot import; default: any name passes. */
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

interface Check {
  readonly reads: readonly SectionName[];
  /** Issues without positions. */
  readonly run: (document: ScenarioDocument, context: CheckContext) => Iterable<Issue>;
}

/** The type of `run` keeps a check to the sections that it names. */
function check<Section extends SectionName>(
  reads: readonly Section[],
  run: (parts: Parts<Section>, context: CheckContext) => Iterable<Issue>,
): Check {
  return { reads, run };
}

export const CHECKS: readonly Check[] = [
  check(["pipelines"], checkGraphs),
  check(["pipelines"], checkSharing),
  check(["pipelines", "models"], checkTaskModels),
  check(["models", "cluster"], (parts, { file, files, requireTimes = false }) =>
    checkModels(parts, { file, profiles: files.profiles, requireTimes }),
  ),
  check(["models"], (parts, { file, exists }) => checkImplementations(parts, file, exists)),
  check(["pipelines", "cluster"], checkReplicas),
  check(["cluster"], checkSlots),
  check(["cluster"], checkPower),
  check(["cluster"], checkNetwork),
  check(["pipelines", "models", "cluster"], checkMemory),
  check(["pipelines", "models", "cluster"], checkResources),
  check(["scheduler"], checkSchedulerHere),
  check(["pipelines", "models", "scheduler"], (parts, { files }) => {
    return checkBatches(parts, files.profiles);
  }),
  check(["workload"], (parts, { files }) => checkWorkload(parts, files.traces)),
  check(["workload", "scheduler", "cluster"], checkCircle),
  check(["workload", "models"], checkInputSizes),
  check(["pipelines", "cluster", "scheduler"], checkScaling),
  check(["scheduler", "workload", "run"], checkScalingIntervals),
  check(["cluster", "faults"], checkFaults),
  check(["cluster", "faults", "workload", "run"], checkFaultRates),
  check(["validation", "models"], checkValidation),
  check(["run"], checkUntil),
  check(["run", "sweep"], checkCompared),
  check(["sweep"], checkSweep),
];

/** `pipelines` may have failed to parse: their names are not checked then. */
function checkSchedulerHere(
  { scheduler, pipelines }: Parts<"scheduler"> & Partial<Parts<"pipelines">>,
  { checkScheduler }: CheckContext,
): readonly Issue[] {
  const names = pipelines === undefined ? undefined : Object.keys(pipelines);
  return checkScheduler?.(scheduler, "scheduler", names) ?? [];
}

/** All issues of the checks whose sections parsed; `failed` names the sections that did not. */
export function runChecks(
  sections: Sections,
  failed: ReadonlySet<string>,
  context: CheckContext,
): Issue[] {
  return CHECKS.filter((check) => check.reads.every((section) => !failed.has(section))).flatMap(
    // The sections that a check reads are there, and it reads no others.
    (check) => [...check.run(sections as ScenarioDocument, context)],
  );
}
