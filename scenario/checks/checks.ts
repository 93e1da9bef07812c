/**
 * The checks that a schema cannot express. Each check names the sections it reads, so that a bad
 * section silences only the checks that need it, and a sweep repeats only what its values touch.
 */
import type { Issue } from "../../engine/basics/fault.ts";
import { METRICS, type MetricName } from "../../engine/metrics/figures.ts";
import { FIRST_ROUND, type StoppingRule } from "../../engine/metrics/stopping-rule.ts";
import type { DataFiles } from "../reading/files.ts";
import { didYouMean, type Issues, issueAt, noSuch } from "../reading/issues.ts";
import type { SectionName, Sections } from "../reading/sections.ts";
import { backendOf } from "../schema/implementation-kinds.ts";
import type { BackendName } from "../schema/run.ts";
import type { Parts, ScenarioDocument, SchedulerDocument } from "../schema/scenario.ts";
import { checkSweep, sweptPaths } from "../sweep/axes.ts";
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
import {
  checkEngines,
  checkEngineTerms,
  checkLengths,
  checkTokensAndFaults,
  checkTraceColumns,
} from "./check-tokens.ts";
import { checkCircle, checkInputSizes, checkWorkload } from "./check-workload.ts";

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

/** The simulator gives it, which `scenario/` cannot import. Null where the traffic equations do not reach. */
export type CapacityOf = (document: ScenarioDocument, files: DataFiles) => ServingCapacity | null;

export interface CheckOptions {
  /** The `file` of issues in values by path; default: overrides. */
  readonly overridesAs?: string;
  /** The folder of schedulers gives it, which `scenario/` cannot import; default: each name passes. */
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
  check(["pipelines", "models"], checkLengths),
  check(["pipelines", "workload"], checkTraceColumns),
  check(["pipelines", "models", "cluster"], checkEngines),
  check(["models"], checkEngineTerms),
  check(["pipelines", "faults"], checkTokensAndFaults),
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

function* checkEngineModels(models: ScenarioDocument["models"]): Issues {
  for (const [name, { tokens }] of Object.entries(models)) {
    if (tokens === undefined || (tokens.llama ?? tokens.external) !== undefined) continue;
    const message = `the engines backend needs weights or a server of model "${name}"`;
    yield issueAt(`models.${name}.tokens`, message, "`llama: { weights: smollm2-135m }`");
  }
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

/** Metrics have known names, and the backend can run every model. */
function* checkValidation({ validation, models }: Parts<"validation" | "models">): Issues {
  if (validation === undefined) return;
  const { metrics, backend, timeScale } = validation;
  for (const name of Object.keys(metrics)) {
    if (!isMetric(name)) yield noSuch("metric", `validation.metrics.${name}`, name, METRICS);
  }
  if (backend !== "replay" && timeScale !== 1) {
    const message = `only the replay backend can scale times, got ${timeScale}`;
    yield issueAt("validation.timeScale", message);
  }
  yield* checkBackend(models, backend);
}

function isMetric(name: string): boolean {
  return METRICS.some((metric) => metric === name);
}

function* checkMetrics(path: string, names: readonly string[] = []): Issues {
  for (const [i, name] of names.entries()) {
    if (!isMetric(name)) yield noSuch("metric", `${path}.${i}`, name, METRICS);
  }
}

/** The backend can run every model; `replay` needs no implementation, and `engines` those of language models. */
export function* checkBackend(models: ScenarioDocument["models"], backend: BackendName): Issues {
  if (backend === "replay") return;
  if (backend === "engines") {
    yield* checkEngineModels(models);
    return;
  }
  for (const [name, { implementation }] of Object.entries(models)) {
    if (implementation === undefined) {
      const message = `the ${backend} backend needs an implementation of model "${name}"`;
      yield issueAt(`models.${name}`, message, "the backend replay needs none: `--backend replay`");
    } else if (backend !== "real" && backend !== backendOf(implementation)) {
      const message = `backend ${backend}, but model "${name}" is run by ${backendOf(implementation)}`;
      yield issueAt(`models.${name}.implementation`, message, "`backend: real` mixes them");
    }
  }
}

const DEFAULT_METRICS: readonly MetricName[] = ["latencyMeanMs", "latencyP99Ms"];
const DEFAULT_MAX_REPLICATIONS = 1000;

/** The rule that `run.until` gives; null where the number of replications is fixed. */
export function stoppingRule({ until }: ScenarioDocument["run"]): StoppingRule | null {
  if (until === undefined) return null;
  const { relativeHalfWidth, metrics, maxReplications } =
    typeof until === "object" ? until : { relativeHalfWidth: until };
  return {
    target: shareOf(relativeHalfWidth),
    metrics: (metrics ?? DEFAULT_METRICS) as readonly MetricName[],
    maxReplications: maxReplications ?? DEFAULT_MAX_REPLICATIONS,
  };
}

/** "2%" and 0.02 are the same. */
function shareOf(value: string | number): number {
  return typeof value === "number" ? value : Number(value.replace("%", "")) / 100;
}

/** The compared paths are swept. */
function* checkCompared({ run, sweep }: Parts<"run" | "sweep">): Issues {
  const swept = sweptPaths(sweep);
  for (const [i, path] of (run.compare?.over ?? []).entries()) {
    if (swept.includes(path)) continue;
    const message = `the sweep does not vary "${path}"`;
    yield issueAt(`run.compare.over.${i}`, message, didYouMean(path, swept));
  }
}

/** The target can be met or missed, and the metrics exist. */
function* checkUntil({ run }: Parts<"run">): Issues {
  yield* checkMetrics("run.compare.metrics", run.compare?.metrics);
  const rule = stoppingRule(run);
  if (rule === null) return;
  yield* checkMetrics("run.until.metrics", rule.metrics);
  if (!(rule.target > 0 && rule.target < 1)) {
    const message = `expected a share above 0% and below 100%, got ${rule.target * 100}%`;
    yield issueAt("run.until", message, "for example `until: 2%`");
  }
  if (rule.maxReplications < FIRST_ROUND) {
    const message = `expected at least ${FIRST_ROUND}, the first round, got ${rule.maxReplications}`;
    yield issueAt("run.until.maxReplications", message);
  }
}
