/** `tandem validate`: chosen configurations simulated and run for real, compared and judged. */
import type { ConfigurationEvidence } from "../calibration/evidence.ts";
import { type HostProbe, probeHost } from "../calibration/host.ts";
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
import { formatNumber, metricLabel, plural } from "../reports/tables/format.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { interruptSignal } from "./failure.ts";
import { inventoryFor } from "./inventory-file.ts";
import { tryOutOwn } from "./own-scheduler.ts";
import { duration, type Progress, progress } from "./progress.ts";
import { validationNotes } from "./provenance.ts";
import { refuseOverload } from "./refuse-overload.ts";
import { inputsOf, loadScenario, requireBackend, schedulerCheck } from "./scenario-file.ts";
import { realSide, replaySide, type ServedSide } from "./validate-contents.ts";
import { finish, type ValidateArguments, type Validated, writeLogs } from "./validate-results.ts";

/** The plan of a validation, known before anything runs. */
interface Course {
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

export async function validate(args: ValidateArguments): Promise<void> {
  const interrupt = interruptSignal();
  try {
    const course = await planned(args);
    process.stderr.write(announcement(course));
    finish(args, course.loaded, await run(args, course, interrupt.signal));
  } finally {
    interrupt.dispose();
  }
}

/** Throws Fault("invalid-input") or Fault("usage") before anything has started. */
async function planned(args: ValidateArguments): Promise<Course> {
  const startMs = performance.now();
  const budgetS = args.budget === undefined ? undefined : secondsOf("--budget", args.budget);
  const loaded = await loadScenario(args, { requireTimes: true });
  const settings = settingsOf(args, loaded);
  const configurations = expandValidation(loaded, {
    checkScheduler: schedulerCheck(loaded.own),
    requireTimes: true,
  });
  tryOutOwn(loaded, configurations);
  const documents = configurations.map(({ document }) => document);
  const inventory = inventoryFor(args.on, documents);
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
async function run(
  args: ValidateArguments,
  course: Course,
  signal: AbortSignal,
): Promise<Validated> {
  const { loaded, configurations, inventory, beforeS, effort, deadlineMs } = course;
  const { backend } = course.settings;
  const results: ValidationResult[] = [];
  const evidences: ConfigurationEvidence[] = [];
  const workers = new Map<string, ModelWorker>();
  let inputs = inputsOf(loaded);
  let notes: readonly string[] = [];
  const shown = progress("validate, seconds", { total: Math.ceil(beforeS + effort.seconds) });
  try {
    for (const line of await checkHost(args.strict === true, signal)) shown.say(line);
    shown.update(HOST_CHECK_S);
    const served =
      backend === "replay"
        ? replaySide(loaded.document)
        : await realSide(args, loaded, workers, signal);
    notes = [...validationNotes(loaded, served.models), ...machineNotes(inventory)];
    if (needsPilot(loaded)) {
      shown.say("validate: no overhead profile, so a pilot measures what messages cost here");
      const measured = await unlessAborted(signal, messageCostsOf(course, served, signal));
      inputs = measured.inputs;
      notes = [...notes, measured.note];
    }
    shown.update(beforeS);
    for (const [i, configuration] of configurations.entries()) {
      const leastS = startSeconds(backend) + runSeconds(course.forecasts[i], effort.share);
      if (performance.now() + 1000 * leastS > deadlineMs) break;
      const side = { ...served, inputs, signal };
      const { result, logs, evidence } = await validateOne(course, i, side, shown);
      results.push(withNotes(result, realised(configuration.document, inputs), effort));
      evidences.push(evidence);
      if (args.out !== undefined) writeLogs(args.out, i, logs);
      if (signal.aborted) break;
    }
  } catch (error) {
    // A failure after Ctrl-C is a consequence of it.
    if (!signal.aborted) throw error;
  } finally {
    shown.stop();
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
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
  shown: Progress,
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
  shown.say(`validate ${index + 1}/${configurations.length} ${configuration.id}`);
  return validateConfiguration({
    ...{ configuration, inputs, backend, repeats, timeScale, signal, inventory },
    ...(pace === null ? {} : { pace }),
    tolerance: metrics,
    contents: (seed) => contents(configuration, seed),
    onProgress: (ended) => shown.update(at(ended)),
    onRun: ({ health }, healthy) => {
      healthyRuns = healthy;
      shown.update(at(0));
      const state = health.healthy ? `run ${healthy} of ${repeats}` : "set aside";
      shown.say(`  ${state}${health.reasons.map((reason) => `; ${reason}`).join("")}`);
    },
    mayStart: () => performance.now() + 1000 * (runS + aroundS) <= deadlineMs,
  });
}

/** "validate: 2 configurations × 3 runs of 60 s on replay, about 7 min in all; …" */
function announcement({ settings, forecasts, beforeS, effort }: Course): string {
  const { repeats, share, seconds } = effort;
  const lengths = forecasts.map((forecast) => Math.ceil(runSeconds(forecast, share)));
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  const span = least === most ? `${most} s` : `${least} to ${most} s`;
  const judged = Object.entries(settings.metrics).map(
    ([name, tolerance]) => `${metricLabel(name).text} to ±${formatNumber(100 * tolerance)}%`,
  );
  const lines = [
    `validate: ${plural(forecasts.length, "configuration")} × ${repeats} runs of ${span} on ${settings.backend}: about ${duration(beforeS + seconds)} with start-up`,
    `  first a look at this host; then each runs on a cluster of its own and is judged by ${judged.join(", ")}`,
    ...(share === 1 ? [] : [`  to fit the budget, ${shorteningNote(share)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function shorteningNote(share: number): string {
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

function settingsOf(args: ValidateArguments, loaded: LoadedScenario): ValidationSettings {
  const { backend, repeats } = args;
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

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds of a span of time such as 90s, 5m or 1.5h. Throws Fault("usage") that names the option. */
export function secondsOf(option: string, text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*([smh])$/.exec(text.trim()) ?? [];
  const seconds = Number(value) * (UNITS[unit] ?? Number.NaN);
  if (seconds > 0) return seconds;
  throw new Fault("usage", `${option} ${text}: expected a span of time above 0`, {
    hint: `for example \`${option} 90s\`, \`${option} 5m\` or \`${option} 1h\``,
  });
}
