/**
 * `validate`: chosen configurations simulated and run for real, compared and judged:
 *
 *   planned ──> Course: configurations, runs, seconds ── run ──> results ──> documents, and files in a folder
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { blockDocument, looksOf } from "../calibration/blocks.ts";
import {
  type ConfigurationEvidence,
  EVIDENCE_FILE,
  type EvidenceDocument,
  logFile,
} from "../calibration/explain.ts";
import { needsPilot } from "../calibration/message-costs.ts";
import {
  holdFor,
  type MeasuringHosts,
  type ModelWorker,
  openHosts,
} from "../calibration/model-worker.ts";
import {
  aroundRunSeconds,
  type Effort,
  effortOf,
  forecastRun,
  type RunForecast,
  runSeconds,
  shortened,
  startSeconds,
} from "../calibration/predict.ts";
import type { RealRunPlan } from "../calibration/real-runs.ts";
import { validateConfiguration } from "../calibration/validate.ts";
import { Fault } from "../engine/basics/fault.ts";
import { formatNumber } from "../reports/tables/format.ts";
import type { ResultsDocument } from "../results/documents.ts";
import { goalsShown } from "../results/slo.ts";
import type { ValidationDocument, ValidationResult } from "../results/validation.ts";
import { type Configuration, expandValidation } from "../scenario/expand-sweep.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { replays } from "../scenario/schema/implementation-kinds.ts";
import { type BackendName, validationSchema } from "../scenario/schema/run.ts";
import type {
  ScenarioDocument,
  ValidationDocument as ValidationSettings,
} from "../scenario/schema/scenario.ts";
import { refuseUnreal, simulatedOnlyTerms } from "../scenario/simulated-only.ts";
import { parameterKinds } from "../scenario/sweep/parameter-columns.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { checkHost, HOST_CHECK_S } from "./calibrate.ts";
import { tryOutForReal } from "./check.ts";
import type { Watch } from "./follow.ts";
import { refuseOverload } from "./load.ts";
import { checkedOptions, type Given, type Values } from "./option.ts";
import { VALIDATE } from "./options.ts";
import { plannedFigures, VALIDATION_FILE } from "./planned-figures.ts";
import {
  asNotes,
  commandFor,
  inputDoubts,
  validationNotes,
  writeProvenance,
} from "./provenance.ts";
import { RESULTS_FILE } from "./results.ts";
import {
  inputsOf,
  inventoryFor,
  refuseInProgram,
  requireBackend,
  type Scenario,
  schedulerChecks,
} from "./scenario.ts";
import { BLOCKS_BUDGET_S, bracketOf, effortWithin, intervalLine } from "./validate-blocks.ts";
import { realSide, replaySide, type ServedSide } from "./validate-contents.ts";
import { type FoundCosts, messageCostsBySize, pilotsSeconds } from "./validate-costs.ts";

export interface ValidateOptions extends Watch, Given<typeof VALIDATE> {
  /** Called before anything runs. */
  readonly onStart?: ((start: ValidationStart) => void) | undefined;
}

type Checked = ValidateOptions & Values<typeof VALIDATE>;

/** The runs that a validation is going to have. */
export interface ValidationStart {
  readonly configurations: number;
  readonly backend: BackendName;
  /** Real runs of each configuration. */
  readonly repeats: number;
  /** The shortest and the longest run, s. */
  readonly runS: readonly [least: number, most: number];
  /** How much of the scenario's window the runs measure; below 1 to fit the budget. */
  readonly share: number;
  /** With start-up. */
  readonly seconds: number;
  /** Accepted relative errors, by metric. */
  readonly tolerances: Readonly<Record<string, number>>;
}

export interface Validation {
  readonly document: ValidationDocument;
  /** The predicted side alone is a results document too, for a folder without a sweep's results. */
  readonly predicted: ResultsDocument;
  readonly evidence: EvidenceDocument;
  /** Decision logs of the real runs that count, by configuration and run. */
  readonly logs: readonly (readonly string[])[];
  /** Configurations that were to be validated. */
  readonly wanted: number;
  /** Runs of each. */
  readonly repeats: number;
  /** Whether an abort ended it: the documents have the runs that had ended. */
  readonly interrupted: boolean;
}

/**
 * Simulates the configurations that the scenario chooses for validation, runs them on real processes, and judges the
 * predictions. Progress counts seconds. Once aborted, the runs that have ended are the result; it rejects where there are none.
 * Throws Fault("invalid-input") or Fault("usage") before anything starts, Fault("deadline-exceeded") where the
 * budget is too short for one run.
 */
export async function validate(loaded: Scenario, given: ValidateOptions = {}): Promise<Validation> {
  const options = { ...given, ...checkedOptions(VALIDATE, given) };
  const { directory, budgetS, backend, repeats, on, images, inputs, signal } = options;
  refuseInProgram(loaded, "real runs have a gateway in a process of its own");
  const course = planned(loaded, options);
  options.onStart?.(startOf(course));
  const { results, evidences, logs, notes, ...validated } = await run(course, options);
  if (results.length === 0) {
    signal?.throwIfAborted();
    throw new Fault("deadline-exceeded", "the budget was spent before any run could start", {
      hint: "give more, or take a quieter machine",
    });
  }
  const command = commandFor("validate", loaded, {
    repeats,
    backend,
    budget: budgetS,
    images,
    inputs,
    on,
  });
  const { document, digest, capacity } = loaded;
  const header = {
    scenario: { name: document.name, digest },
    seed: document.run.seed,
    command,
    ...goalsShown(document),
    parameterKinds: parameterKinds(document),
    ...(capacity === undefined ? {} : { capacity }),
    ...asNotes(notes),
    configurations: results,
  };
  const validation: Validation = {
    document: { schema: "tandem/validation@3", kind: "validation", ...header },
    predicted: { schema: "tandem/results@1", ...header },
    evidence: {
      schema: "tandem/evidence@1",
      // Their texts stay, from which `explain` loads them.
      inputs: { ...validated.inputs, own: undefined },
      configurations: evidences,
    },
    logs,
    repeats: course.effort.repeats,
    wanted: course.configurations.length,
    interrupted: signal?.aborted === true,
  };
  if (directory !== undefined) writeFolder(directory, loaded, validation);
  return validation;
}

function writeFolder(
  directory: string,
  loaded: Scenario,
  { document, predicted, evidence }: Validation,
): void {
  const isAlone = !existsSync(join(directory, RESULTS_FILE));
  writeJson(join(directory, VALIDATION_FILE), document);
  if (isAlone) writeJson(join(directory, RESULTS_FILE), predicted);
  const made = [VALIDATION_FILE, ...(isAlone ? [RESULTS_FILE] : [])];
  writeProvenance(directory, made, loaded, document.command);
  writeAtomically(join(directory, EVIDENCE_FILE), JSON.stringify(evidence));
  const { overheadProfile } = evidence.inputs;
  if (needsPilot(loaded) && overheadProfile !== undefined)
    writeJson(join(directory, "overheads.json"), overheadProfile);
}

/** The plan of a validation, known before anything runs. */
interface Course {
  readonly loaded: Scenario;
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

function planned(loaded: Scenario, options: Checked): Course {
  const startMs = performance.now();
  const { budgetS, on } = options;
  const settings = settingsOf(options, loaded);
  const configurations = expandValidation(loaded, {
    ...schedulerChecks(loaded.own),
    requireTimes: true,
  });
  tryOutForReal(loaded, configurations);
  const documents = configurations.map(({ document }) => document);
  const inventory = on === undefined ? undefined : inventoryFor(on, documents);
  refuseUnreal(loaded, documents);
  refuseOverload(loaded, documents, settings.timeScale);
  const { backend, timeScale } = settings;
  const isReal = !replays(backend);
  const forecasts = documents.map((one) =>
    forecastRun(isReal ? blockDocument(one) : one, inputsOf(loaded), timeScale),
  );
  const repeats = isReal ? Math.max(...looksOf(settings.repeats)) : settings.repeats;
  const beforeS = secondsBefore(loaded, backend, documents);
  const boundS = budgetS ?? (isReal ? BLOCKS_BUDGET_S : undefined);
  const effort = effortWithin(boundS, forecasts, backend, repeats, beforeS);
  const deadlineMs = startMs + 1000 * (boundS ?? Number.POSITIVE_INFINITY);
  return { loaded, settings, configurations, inventory, forecasts, beforeS, effort, deadlineMs };
}

function startOf({ settings, forecasts, beforeS, effort }: Course): ValidationStart {
  const { repeats, share, seconds } = effort;
  const lengths = forecasts.map((forecast) => Math.ceil(runSeconds(forecast, share)));
  return {
    configurations: forecasts.length,
    backend: settings.backend,
    repeats,
    share,
    runS: [Math.min(...lengths), Math.max(...lengths)],
    seconds: beforeS + seconds,
    tolerances: settings.metrics,
  };
}

/** Seconds until the first configuration: the host, the models' inputs, messages. */
function secondsBefore(
  loaded: Scenario,
  backend: BackendName,
  documents: readonly ScenarioDocument[],
): number {
  const models = replays(backend) ? 0 : startSeconds(backend);
  return HOST_CHECK_S + models + pilotsSeconds(loaded, documents);
}

/** Runs until all is done, the budget is spent, or it is interrupted; what has ended is kept. */
async function run(course: Course, options: Checked) {
  const { signal = new AbortController().signal, onNote, directory } = options;
  const { loaded, settings, configurations, inventory, beforeS, effort, deadlineMs } = course;
  const { document } = loaded;
  const plannedOf = plannedFigures(loaded);
  const { backend } = settings;
  const total = Math.ceil(beforeS + effort.seconds);
  const onSeconds = (done: number): void => options.onProgress?.({ done, total });
  const results: ValidationResult[] = [];
  const evidences: ConfigurationEvidence[] = [];
  const logs: (readonly string[])[] = [];
  const workers = new Map<string, ModelWorker>();
  let hosts: MeasuringHosts | null = null;
  let giveBack = async (): Promise<void> => undefined;
  /** Everything that the predictions of a configuration are made of, with message costs that are measured here. */
  let inputs = inputsOf(loaded);
  /** About all configurations. */
  let notes: readonly string[] = [];
  let passedS = 0;
  // Until the first run, nothing but time tells how far it is.
  const ticks = setInterval(() => onSeconds(Math.min(beforeS, ++passedS)), 1000);
  try {
    for (const line of await checkHost(options.strict, signal)) onNote?.(line);
    const afterwards = configurations.map((one) => one.document);
    const place = { inventory, afterwards, onEvent: onNote, signal };
    if (replays(backend)) giveBack = await holdFor([], afterwards, place);
    else hosts = await openHosts({ ...place, document, folder: inputs.folder });
    const served =
      hosts === null
        ? replaySide(document)
        : await realSide(options, loaded, { hosts, workers }, signal);
    notes = validationNotes(loaded, served.models, inventory);
    const costsOf = messageCostsBySize(loaded, (configuration) => {
      onNote?.("validate: no overhead profile, so a pilot measures what messages cost here");
      const contents = (seed: string) => served.contents(configuration, seed);
      return { contents, timeScale: settings.timeScale, signal, inventory };
    });
    notes = [...notes, ...inputDoubts(inputs)];
    for (const [i, configuration] of configurations.entries()) {
      const leastS = startSeconds(backend) + runSeconds(course.forecasts[i], effort.share);
      if (performance.now() + 1000 * leastS > deadlineMs) break;
      const found = await costsOf(configuration);
      clearInterval(ticks);
      inputs = found.inputs;
      if (found.note !== null && !notes.includes(found.note)) notes = [...notes, found.note];
      const side = { ...served, ...found, signal };
      const one = await validateOne(course, i, side, { onNote, onSeconds });
      const result = { ...one.result, ...plannedOf(configuration.parameters) };
      results.push(withNotes(result, configuration.document, inputs, effort));
      evidences.push({ ...one.evidence, overheadProfile: inputs.overheadProfile });
      logs.push(one.logs);
      if (directory !== undefined) {
        for (const [n, log] of one.logs.entries())
          writeAtomically(join(directory, logFile(i, n)), log);
      }
      if (signal.aborted) break;
    }
  } catch (error) {
    // A failure after Ctrl-C is a consequence of it.
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(ticks);
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
    await hosts?.close();
    await giveBack();
  }
  return { results, evidences, logs, inputs, notes };
}

function validateOne(
  course: Course,
  index: number,
  { contents, light, inputs, doubt, signal }: ServedSide & FoundCosts & Pick<RealRunPlan, "signal">,
  { onNote, onSeconds }: Pick<Watch, "onNote"> & { readonly onSeconds: (done: number) => void },
) {
  const { settings, configurations, inventory, forecasts, beforeS, effort, deadlineMs } = course;
  const { backend, timeScale, metrics } = settings;
  const { repeats, share } = effort;
  const given = configurations[index];
  const own = light === null ? given.document : blockDocument(given.document);
  const configuration = { ...given, document: shortened(own, share) };
  const before = effortOf(forecasts.slice(0, index), backend, repeats, share).seconds;
  const firstS = beforeS + before + startSeconds(backend);
  const aroundS = aroundRunSeconds(backend);
  const runS = runSeconds(forecasts[index], share);
  const requests = Math.max(1, forecasts[index].requests * (runS / forecasts[index].seconds));
  // Blocks go on until they tell, so each configuration has its part of the time that is left.
  const leftMs = deadlineMs - performance.now();
  const ownMs = light === null ? leftMs : leftMs / (configurations.length - index);
  const endMs = performance.now() + ownMs;
  let healthyRuns = 0;
  const at = (ended: number): number =>
    Math.floor(firstS + healthyRuns * (runS + aroundS) + runS * Math.min(1, ended / requests));
  onNote?.(`validate ${index + 1}/${configurations.length} ${configuration.id}`);
  return validateConfiguration({
    configuration,
    inputs,
    backend,
    repeats,
    timeScale,
    signal,
    inventory,
    ...(light === null
      ? {}
      : {
          bracket: bracketOf({
            ...light,
            document: configuration.document,
            inputs,
            signal,
            inventory,
          }),
        }),
    onJudgement: ({ judgements }) => onNote?.(intervalLine(judgements)),
    tolerance: metrics,
    doubt,
    contents: (seed) => contents(configuration, seed),
    onProgress: (ended) => onSeconds(at(ended)),
    onRun: ({ health }, healthy) => {
      healthyRuns = healthy;
      onSeconds(at(0));
      const kind = light === null ? "run" : "block";
      // Within a budget, blocks go on past those that it was sure to hold.
      const of = healthy <= repeats ? ` of ${repeats}` : "";
      const state = health.healthy ? `${kind} ${healthy}${of}` : "set aside";
      onNote?.(`  ${state}${health.reasons.map((reason) => `; ${reason}`).join("")}`);
    },
    mayStart: () => performance.now() + 1000 * (runS + aroundS) <= endMs,
  });
}

/** Adds notes on terms of the prediction that real runs lack, and on windows that the budget cut. */
function withNotes(
  result: ValidationResult,
  { cluster, ...document }: ScenarioDocument,
  { overheadProfile }: Pick<SimulationInputs, "overheadProfile">,
  { share }: Effort,
): ValidationResult {
  // Message costs that were measured here take the place of assumed ones.
  const real =
    overheadProfile === undefined ? cluster : { ...cluster, overheadProfile: "measured" };
  const terms = simulatedOnlyTerms({ ...document, cluster: real });
  const measured = `runs measure ${formatNumber(100 * share)}% of the scenario's window`;
  const notes = [
    ...(result.notes ?? []),
    ...(terms.length === 0 ? [] : [`not realised by the cluster: ${terms.join(", ")}`]),
    ...(share === 1 ? [] : [`shortened by --budget: ${measured}`]),
  ];
  return notes.length === 0 ? result : { ...result, notes };
}

function settingsOf(
  { backend, repeats }: ValidateOptions,
  loaded: LoadedScenario,
): ValidationSettings {
  if (repeats !== undefined && !(Number.isInteger(repeats) && repeats >= 3)) {
    throw new Fault("usage", `repeats are a whole number of at least 3, got ${repeats}`, {
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
