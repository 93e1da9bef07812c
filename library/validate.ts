/**
 * Chosen configurations simulated and run for real, compared and judged:
 *
 *   planValidation ──> Course: configurations, runs, seconds ── runValidation ──> Validated
 */
import type { ContentsSource } from "../calibration/contents.ts";
import type { ConfigurationEvidence } from "../calibration/evidence.ts";
import { type HostProbe, probeHost } from "../calibration/host.ts";
import { holdFor, type MeasuringHosts, openHosts } from "../calibration/measuring-hosts.ts";
import type { ModelWorker } from "../calibration/model-worker.ts";
import type { RealRunPlan } from "../calibration/real-runs.ts";
import { needsPilot, PILOT_SECONDS, withMessageCosts } from "../calibration/replay-pilot.ts";
import { validateConfiguration } from "../calibration/validate.ts";
import {
  aroundRunSeconds,
  type Effort,
  effortOf,
  fitBudget,
  forecastRun,
  type RunForecast,
  runSeconds,
  shortened,
  startSeconds,
} from "../calibration/validation-effort.ts";
import { unlessAborted } from "../cluster/processes/bounded-wait.ts";
import { Fault } from "../core/fault.ts";
import type { LoadedInventory } from "../core/inventory/read-inventory.ts";
import type { ValidationResult } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { type BackendName, validationSchema } from "../core/scenario/schema/run.ts";
import type {
  ScenarioDocument,
  ValidationDocument as ValidationSettings,
} from "../core/scenario/schema.ts";
import { refuseUnreal, simulatedOnlyTerms } from "../core/scenario/simulated-only.ts";
import { type Configuration, expandValidation } from "../core/scenario/sweep.ts";
import { formatNumber } from "../reports/tables/format.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { inventoryFor } from "./inventory-file.ts";
import { tryOutOwn } from "./own-scheduler.ts";
import { validationNotes } from "./provenance.ts";
import { refuseOverload } from "./refuse-overload.ts";
import { inputsOf, requireBackend, schedulerChecks } from "./scenario.ts";
import { realSide, replaySide, type ServedSide } from "./validate-contents.ts";

/** The runs that a validation is to have. */
export interface ValidationRuns {
  /** Real models, or replayed times. Default: as the scenario says. */
  readonly backend?: BackendName | undefined;
  /** Real runs of each configuration, at least 3. Default: as the scenario says. */
  readonly repeats?: number | undefined;
  /** Bound on all of it, seconds: fewer runs, then shorter ones. Default: none. */
  readonly budgetS?: number | undefined;
  /** Inventory file: where the workers run. Default: on this machine. */
  readonly on?: string | undefined;
}

/** Where a validation goes to while it runs. */
export interface ValidationEvents {
  /** Reject, before any run, where the host is not fit to be measured on. */
  readonly strict?: boolean | undefined;
  /** Seconds of the plan that are over. */
  readonly onSeconds?: (seconds: number) => void;
  /** What happens: the host, each configuration, each run. */
  readonly onNote?: (line: string) => void;
  /** The decision logs of a configuration's runs, as soon as these are over. */
  readonly onLogs?: (configuration: number, logs: readonly string[]) => void;
  /** Once aborted, what has ended is the result. */
  readonly signal?: AbortSignal | undefined;
}

export interface Validated {
  readonly results: readonly ValidationResult[];
  readonly evidences: readonly ConfigurationEvidence[];
  /** Everything that predictions were made of, with message costs that were measured here. */
  readonly inputs: SimulationInputs;
  /** About all configurations. */
  readonly notes: readonly string[];
  /** Configurations that were to be validated. */
  readonly wanted: number;
  /** Runs of each. */
  readonly repeats: number;
  readonly interrupted: boolean;
}

/** The plan of a validation, known before anything runs. */
export interface Course {
  readonly loaded: ReadyScenario;
  readonly settings: ValidationSettings;
  readonly configurations: readonly Configuration[];
  /** Undefined: all runs here. */
  readonly inventory: LoadedInventory | undefined;
  readonly forecasts: readonly RunForecast[];
  readonly effort: Effort;
  /** Seconds until the first configuration starts. */
  readonly beforeS: number;
  /** When a budget is spent, as `performance.now()` counts; Infinity without one. */
  readonly deadlineMs: number;
}

/** Throws Fault("invalid-input") or Fault("usage") before anything has started. */
export function planValidation(loaded: ReadyScenario, runs: ValidationRuns): Course {
  const startMs = performance.now();
  const { budgetS } = runs;
  const settings = settingsOf(runs, loaded);
  const configurations = expandValidation(loaded, {
    ...schedulerChecks(loaded.own),
    requireTimes: true,
  });
  tryOutOwn(loaded, configurations);
  const documents = configurations.map(({ document }) => document);
  const inventory = inventoryFor(runs.on, documents);
  refuseUnreal(loaded, documents);
  refuseOverload(loaded, documents, settings.timeScale);
  const { backend, repeats, timeScale } = settings;
  const forecasts = documents.map((one) => forecastRun(one, inputsOf(loaded), timeScale));
  const beforeS = secondsBefore(loaded, backend);
  const effort =
    budgetS === undefined
      ? effortOf(forecasts, backend, repeats)
      : fitBudget(forecasts, backend, repeats, budgetS, beforeS);
  const deadlineMs = startMs + 1000 * (budgetS ?? Number.POSITIVE_INFINITY);
  return { loaded, settings, configurations, inventory, forecasts, beforeS, effort, deadlineMs };
}

/** Seconds until the first configuration: the host, the models' inputs, messages. */
export function secondsBefore(loaded: LoadedScenario, backend: BackendName): number {
  const models = backend === "replay" ? 0 : startSeconds(backend);
  return HOST_CHECK_S + models + (needsPilot(loaded) ? PILOT_SECONDS : 0);
}

/** Runs until all is done, the budget is spent, or it is interrupted; what has ended is kept. */
export async function runValidation(
  course: Course,
  contents: ContentsSource,
  events: ValidationEvents,
): Promise<Validated> {
  const { signal = new AbortController().signal, onNote, onSeconds, onLogs } = events;
  const { loaded, configurations, inventory, beforeS, effort, deadlineMs } = course;
  const { backend } = course.settings;
  const results: ValidationResult[] = [];
  const evidences: ConfigurationEvidence[] = [];
  const workers = new Map<string, ModelWorker>();
  let hosts: MeasuringHosts | null = null;
  let giveBack = async (): Promise<void> => undefined;
  let inputs = inputsOf(loaded);
  let notes: readonly string[] = [];
  try {
    for (const line of await checkHost(events.strict === true, signal)) onNote?.(line);
    onSeconds?.(HOST_CHECK_S);
    const afterwards = configurations.map(({ document }) => document);
    const options = { inventory, afterwards, onEvent: onNote, signal };
    if (backend === "replay") giveBack = await holdFor([], afterwards, options);
    else hosts = await openHosts({ ...options, document: loaded.document, folder: inputs.folder });
    const served =
      hosts === null
        ? replaySide(loaded.document)
        : await realSide(contents, loaded, { hosts, workers }, signal);
    notes = [...validationNotes(loaded, served.models), ...machineNotes(inventory)];
    if (needsPilot(loaded)) {
      onNote?.("validate: no overhead profile, so a pilot measures what messages cost here");
      const measured = await unlessAborted(signal, messageCostsOf(course, served, signal));
      inputs = measured.inputs;
      notes = [...notes, measured.note];
    }
    onSeconds?.(beforeS);
    for (const [i, configuration] of configurations.entries()) {
      const leastS = startSeconds(backend) + runSeconds(course.forecasts[i], effort.share);
      if (performance.now() + 1000 * leastS > deadlineMs) break;
      const side = { ...served, inputs, signal };
      const { result, logs, evidence } = await validateOne(course, i, side, events);
      results.push(withNotes(result, realised(configuration.document, inputs), effort));
      evidences.push(evidence);
      onLogs?.(i, logs);
      if (signal.aborted) break;
    }
  } catch (error) {
    // A failure after Ctrl-C is a consequence of it.
    if (!signal.aborted) throw error;
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
    await hosts?.close();
    await giveBack();
  }
  const { repeats } = effort;
  const [wanted, interrupted] = [configurations.length, signal.aborted];
  return { results, evidences, inputs, notes, wanted, repeats, interrupted };
}

function machineNotes(inventory: LoadedInventory | undefined): readonly string[] {
  if (inventory === undefined || inventory.inventory.kind === "local") return [];
  const { kind } = inventory.inventory;
  return [
    `workers ran on machines of kind ${kind}: latencies are those of clients on this one, and each service time is of its worker's own monotonic clock, so no clocks had to agree`,
  ];
}

function messageCostsOf(
  { loaded, settings, configurations, inventory }: Course,
  { contents }: ServedSide,
  signal: AbortSignal,
) {
  return withMessageCosts({
    documents: configurations.map(({ document }) => document),
    ...{ inputs: inputsOf(loaded), timeScale: settings.timeScale, signal, inventory },
    contents: (seed) => contents(configurations[0], seed),
    date: new Date().toISOString(),
  });
}

function validateOne(
  course: Course,
  index: number,
  { contents, pace, inputs, signal }: ServedSide & Pick<RealRunPlan, "inputs" | "signal">,
  { onNote, onSeconds }: ValidationEvents,
) {
  const { settings, configurations, inventory, forecasts, beforeS, effort, deadlineMs } = course;
  const { backend, timeScale, metrics } = settings;
  const { repeats, share } = effort;
  const given = configurations[index];
  const configuration = { ...given, document: shortened(given.document, share) };
  const before = beforeS + effortOf(forecasts.slice(0, index), backend, repeats, share).seconds;
  const aroundS = aroundRunSeconds(backend);
  const runS = runSeconds(forecasts[index], share);
  const requests = Math.max(1, forecasts[index].requests * (runS / forecasts[index].seconds));
  let healthyRuns = 0;
  const at = (ended: number): number => {
    const started = before + startSeconds(backend) + healthyRuns * (runS + aroundS);
    return Math.floor(started + runS * Math.min(1, ended / requests));
  };
  onNote?.(`validate ${index + 1}/${configurations.length} ${configuration.id}`);
  return validateConfiguration({
    ...{ configuration, inputs, backend, repeats, timeScale, signal, inventory },
    ...(pace === null ? {} : { pace }),
    tolerance: metrics,
    contents: (seed) => contents(configuration, seed),
    onProgress: (ended) => onSeconds?.(at(ended)),
    onRun: ({ health }, healthy) => {
      healthyRuns = healthy;
      onSeconds?.(at(0));
      const state = health.healthy ? `run ${healthy} of ${repeats}` : "set aside";
      onNote?.(`  ${state}${health.reasons.map((reason) => `; ${reason}`).join("")}`);
    },
    mayStart: () => performance.now() + 1000 * (runS + aroundS) <= deadlineMs,
  });
}

/** Says how much of the scenario's window the runs of a budget measure. */
export function shorteningNote(share: number): string {
  return `runs measure ${formatNumber(100 * share)}% of the scenario's window`;
}

/** Message costs that were measured here take the place of assumed ones. */
function realised(
  document: ScenarioDocument,
  { overheadProfile }: Pick<SimulationInputs, "overheadProfile">,
): ScenarioDocument {
  if (overheadProfile === undefined) return document;
  return { ...document, cluster: { ...document.cluster, overheadProfile: "measured" } };
}

/** Adds notes on terms of the prediction that real runs lack, and on windows that the budget cut. */
function withNotes(
  result: ValidationResult,
  document: ScenarioDocument,
  { share }: Effort,
): ValidationResult {
  const terms = simulatedOnlyTerms(document);
  const notes = [
    ...(result.notes ?? []),
    ...(terms.length === 0 ? [] : [`not realised by the cluster: ${terms.join(", ")}`]),
    ...(share === 1 ? [] : [`shortened by --budget: ${shorteningNote(share)}`]),
  ];
  return notes.length === 0 ? result : { ...result, notes };
}

function settingsOf(
  { backend, repeats }: ValidationRuns,
  loaded: LoadedScenario,
): ValidationSettings {
  if (repeats !== undefined && !(Number.isInteger(repeats) && repeats >= 3)) {
    throw new Fault("usage", `--repeats is a whole number of at least 3, got ${repeats}`, {
      hint: "fewer runs give no spread to judge by",
    });
  }
  const settings = {
    ...validationSchema.parse(loaded.document.validation ?? {}),
    ...(backend === undefined ? {} : { backend }),
    ...(repeats === undefined ? {} : { repeats }),
  };
  requireBackend(loaded, settings.backend);
  return settings;
}

/** Long enough to see a steal of 1%. */
export const HOST_CHECK_S = 3;

const WAY_OUT =
  "stop other programs or take another machine; until then runs may be set aside, and verdicts be `cannot tell`";

/** Throws Fault("unhealthy") if it is not fit and `strict`; else lines to print, none if it is fit. */
export async function checkHost(strict: boolean, signal: AbortSignal): Promise<readonly string[]> {
  return hostLines(await unlessAborted(signal, probeHost({ seconds: HOST_CHECK_S })), strict);
}

export function hostLines({ reasons, unknown }: HostProbe, strict: boolean): readonly string[] {
  if (reasons.length === 0) return unknown;
  const message = `this host is not fit to be measured on: ${reasons.join("; ")}`;
  if (strict) throw new Fault("unhealthy", message, { hint: `${WAY_OUT}; or leave out --strict` });
  return [`tandem: warning: ${message}`, `  ${WAY_OUT}`, ...unknown];
}
