/** `plan`: the cheapest cluster, placement and scheduler that keep the SLOs. */
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { stringify } from "yaml";
import { loadHighs } from "../build/load-highs.ts";
import { EVIDENCE_FILE } from "../calibration/explain.ts";
import { expectedSeconds } from "../engine/arrivals/arrival-source.ts";
import { Fault } from "../engine/basics/fault.ts";
import { makePlans } from "../planning/plan.ts";
import { REPLICAS } from "../planning/question.ts";
import { replicasOf, type Standing, type Tried } from "../planning/standing.ts";
import { type Kept, keptOf, type Trial } from "../planning/trial.ts";
import { arrivalsOver } from "../planning/window.ts";
import { uselessMachines } from "../scenario/checks/useless-machines.ts";
import { poolNames } from "../scenario/compile/compile.ts";
import { nearest } from "../scenario/reading/issues.ts";
import { fileEntries } from "../scenario/schema/implementation-kinds.ts";
import { validationSchema } from "../scenario/schema/run.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { isPoints } from "../scenario/sweep/axes.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../schedulers/registry.ts";
import { asksForSolver, useSolver } from "../schedulers/rules/solver.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { RESULT_FILES, readKey, STORE_FILE, setAside } from "../sweep/records.ts";
import { inTurns } from "../sweep/run-sweep.ts";
import { tryOutOwn } from "./check.ts";
import type { Progress, Watch } from "./follow.ts";
import { checkedOptions, type Given, givenOptions } from "./option.ts";
import { PLAN } from "./options.ts";
import { paceOf } from "./plan-pace.ts";
import { ProgressFile } from "./plan-progress.ts";
import { type PlanDocument, planDocument, plannedScenario } from "./plan-results.ts";
import {
  isBetter,
  PLAN_FILE,
  readPlan,
  VALIDATION_FILE,
  validatedScenario,
} from "./planned-figures.ts";
import { commandFor, writeProvenance } from "./provenance.ts";
import { inputsOf, type Scenario, scenario } from "./scenario.ts";
import { openSolver } from "./solver.ts";
import { sweep } from "./sweep.ts";

/** Counts the loads that the scenario sweeps: there is a plan for each. */
export interface PlanProgress extends Progress {
  /** Simulated for the plan at hand: nobody knows how many it will take. */
  readonly requests: number;
  /** Combinations to choose from. */
  readonly combinations: number;
  /** Whether an incumbent is looked for before the cheapest clusters. */
  readonly isLarge: boolean;
  /** Why there is no solution, with the figure that is missing; null where that takes a search. */
  readonly missing: string | null;
  /** The cheapest so far that is confirmed, or keeps the SLOs on the requests of the search; null while there is none. */
  readonly incumbent: Incumbent | null;
  /** The nearest miss. */
  readonly nearest: Incumbent | null;
  /** Nothing that costs less keeps the SLOs. */
  readonly lowerBound: number;
  /** Seconds of the budget that are left. */
  readonly secondsLeft: number;
}

export interface Incumbent {
  readonly cost: number;
  readonly replicas: Readonly<Record<string, number>>;
  /** By pipeline with an SLO, on as many requests as were simulated. */
  readonly kept: Readonly<Record<string, Kept>>;
  readonly replications: number;
  /** On fresh requests. */
  readonly isConfirmed: boolean;
}

export interface PlanSettings extends Omit<Watch, "onProgress">, Given<typeof PLAN> {
  /** Hears why the folder could not be written, such as a full disk; the plan is given all the same. Without it, `plan` rejects. */
  readonly onUnwritten?: ((error: unknown) => void) | undefined;
  /** Once aborted, the search ends with its best so far; `signal` ends the call with nothing. */
  readonly stop?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PlanProgress) => void) | undefined;
}

export interface Planned {
  readonly document: PlanDocument;
  /** Runs what was planned, on requests that the search had not; null where no plan keeps the SLOs. */
  readonly scenario: ScenarioDocument | null;
  /** Seconds that the real runs of `validate` on it take, at the least. */
  readonly validationS: number;
}

/** The search takes the time of a job for given, but that of a sequence depends on what runs beside it. */
function refuseEngines({ document, file }: Scenario): void {
  const found = Object.entries(document.models).find(([, { tokens }]) => tokens !== undefined);
  if (found === undefined) return;
  const message = `${file}: model "${found[0]}" is a language model, which \`plan\` cannot search yet`;
  throw new Fault("invalid-input", message, {
    hint: "sweep `cluster.replicas` with `tandem simulate`, which finds the cheapest that keeps the SLO",
  });
}

/** The search would take no notice of such an axis. */
function refuseUnknownTasks({ document, file }: Scenario): void {
  const tasks = poolNames(document);
  const unknown = Object.keys(document.sweep ?? {}).find((path) => {
    return path.startsWith(REPLICAS) && !tasks.includes(path.slice(REPLICAS.length));
  });
  if (unknown === undefined) return;
  throw new Fault("invalid-input", `${file}: sweep: ${unknown} is of no task`, {
    hint: `tasks are ${tasks.join(", ")}`,
  });
}

/**
 * Finds the cheapest cluster, placement and scheduler that keep the scenario's SLOs: the document of
 * `tandem plan --json`, and a scenario that runs the plan. Throws Fault("usage") for a preset that there is not, or a bound below 1.
 */
export async function plan(loaded: Scenario, settings: PlanSettings = {}): Promise<Planned> {
  const values = checkedOptions(PLAN, settings);
  const { maxReplicas, directory, budgetS = 120, window, promise } = values;
  const schedulers = presets(values.schedulers ?? TEXTBOOK_PRESETS);
  tryOutOwn(loaded);
  refuseEngines(loaded);
  refuseUnknownTasks(loaded);
  for (const text of uselessMachines(loaded.document)) settings.onNote?.(text);
  const { stop } = settings;
  const pace = paceOf(budgetS, () => stop?.aborted === true);
  const progress = directory === undefined ? null : new ProgressFile(directory, loaded);
  if (asksForSolver(schedulers)) useSolver(await loadHighs());
  const solver = openSolver();
  const options = {
    schedulers,
    mostReplicas: maxReplicas,
    window,
    promise,
    pace,
    ...(progress === null ? {} : { known: progress }),
    solve: solver.solve,
  };
  const steps = makePlans(loaded, inputsOf(loaded), options);
  const plans = await inTurns(steps, settings.signal, ({ of: total, standing, ...step }) =>
    settings.onProgress?.({
      total,
      done: step.done,
      requests: step.requests,
      combinations: step.combinations,
      isLarge: step.isLarge,
      missing: standing?.missing ?? null,
      incumbent: incumbentOf(standing, standing?.confirmed ?? standing?.incumbent),
      nearest: incumbentOf(standing, standing?.nearest),
      lowerBound: standing?.bound ?? 0,
      secondsLeft: Math.max(0, (1 - pace.spent()) * budgetS),
    }),
  ).finally(() => {
    solver.close();
    progress?.close();
  });
  const { document, digest, capacity } = loaded;
  const named = values.schedulers && (values.schedulers.join(",") || "none");
  const asked = { ...values, schedulers: named };
  const command = commandFor("plan", loaded, givenOptions(PLAN, asked));
  const header = {
    schema: "tandem/plan@3" as const,
    planner: "descent" as const,
    command,
    seed: document.run.seed,
    scenario: { name: document.name, digest },
    asked: { schedulers, maxReplicas, window, promise },
    ...(capacity === undefined ? {} : { capacity }),
  };
  const running = plannedScenario(plans, document);
  const validationS = running === null ? 0 : leastSeconds(running, inputsOf(loaded));
  const planned = { document: planDocument(header, plans), scenario: running, validationS };
  if (directory !== undefined) {
    const isDone = plans.every(({ notSearched }) => !notSearched.includes("budget"));
    try {
      if (!isDone && isBetter(readPlan(directory), planned.document))
        settings.onNote?.(
          `${directory} keeps the better plan that it has: this search ended early`,
        );
      else await writeFolder(loaded, planned, directory, settings);
      if (stop?.aborted !== true && isDone) progress?.remove();
    } catch (error) {
      if (settings.onUnwritten === undefined) throw error;
      settings.onUnwritten(error);
    }
  }
  return planned;
}

function leastSeconds(document: ScenarioDocument, inputs: SimulationInputs): number {
  const { workload, validation } = document;
  const { repeats, timeScale } = validationSchema.parse(validation ?? {});
  const ofTraceS = arrivalsOver(document, inputs)?.atS.at(-1) ?? 0;
  return repeats * timeScale * (expectedSeconds(workload) || ofTraceS);
}

const keptOfTrials = new WeakMap<
  Trial,
  { readonly runs: number; readonly kept: Incumbent["kept"] }
>();

/** Computed once for the runs that there are: anew at each step, it took half of a search's time. */
function keptSoFar(trial: Trial): Incumbent["kept"] {
  const runs = trial.runs.length;
  const known = keptOfTrials.get(trial);
  if (known?.runs === runs) return known.kept;
  const kept = keptOf(trial);
  keptOfTrials.set(trial, { runs, kept });
  return kept;
}

function incumbentOf(standing: Standing | null, found: Tried | null = null): Incumbent | null {
  return (
    found && {
      cost: found.contender.shape.cost,
      replicas: replicasOf(found.contender),
      kept: keptSoFar(found.trial),
      replications: found.trial.runs.length,
      isConfirmed: found === standing?.confirmed,
    }
  );
}

/** The plan, a scenario that runs it, and the results of simulating that; those of another plan, and its validation, are set aside. */
async function writeFolder(
  loaded: Scenario,
  { document, scenario: planned }: Planned,
  directory: string,
  settings: PlanSettings,
): Promise<void> {
  const path = join(directory, "plan.yaml");
  let running: Scenario | null = null;
  if (planned !== null) {
    const moved = stringify(movedTo(directory, planned, loaded.file), { lineWidth: 100 });
    writeAtomically(path, `# Planned by: ${document.command}\n${moved}`);
    running = await scenario(path);
  }
  // Before plan.json names another plan: a search that is killed here finds again what to set aside.
  const earlier = readPlan(directory)?.planned;
  if (earlier !== undefined && earlier !== running?.digest) {
    const isOwn = readKey(join(directory, STORE_FILE))?.scenario === earlier;
    const isLeft = running === null && resolve(loaded.file) !== resolve(path);
    const isValidated = validatedScenario(directory) === earlier;
    const names = [
      ...(isOwn ? RESULT_FILES : []),
      ...(isValidated ? [VALIDATION_FILE, EVIDENCE_FILE] : []),
      ...(isLeft ? ["plan.yaml"] : []),
    ];
    const aside = setAside(directory, names);
    if (aside !== null)
      settings.onNote?.(`${directory} has files of another plan: moved to ${aside}`);
  }
  writeJson(join(directory, PLAN_FILE), { ...document, planned: running?.digest });
  if (running !== null) await simulated(running, directory, settings);
  writeProvenance(directory, [PLAN_FILE], loaded, document.command);
}

/** As far as nobody stops it: the plan stands without these results. */
async function simulated(
  running: Scenario,
  directory: string,
  { signal, stop, onNote }: PlanSettings,
): Promise<void> {
  const isStopped = (): boolean => stop?.aborted === true;
  if (isStopped()) return;
  const all = [signal, stop].filter((one) => one !== undefined);
  try {
    await sweep(running, { directory, allowLarge: true, signal: AbortSignal.any(all), onNote });
  } catch (error) {
    if (!isStopped() || signal?.aborted === true) throw error;
  }
}

/** Throws Fault("usage") for a preset that there is not. */
function presets(named: readonly string[]): readonly string[] {
  const all = Object.keys(PRESETS);
  if (named.join() === "all") return all;
  const unknown = named.find((name) => !all.includes(name));
  if (unknown === undefined) return named;
  const near = nearest(unknown, all);
  const meant = near === undefined ? "" : `did you mean "${near}"? `;
  const hint = `${meant}there are ${all.join(", ")}`;
  throw new Fault("usage", `there is no preset "${unknown}"`, { hint });
}

/** The document of a file as it stands in a folder, from where it names its data files. */
function movedTo(directory: string, document: ScenarioDocument, file: string): ScenarioDocument {
  // A holder that two parts share would be moved twice.
  const copy: ScenarioDocument = JSON.parse(JSON.stringify(document));
  const move = (holder: unknown, key: string): void => {
    if (typeof holder !== "object" || holder === null) return;
    const path = (holder as Record<string, unknown>)[key];
    if (typeof path !== "string" || isAbsolute(path)) return;
    const moved = relative(resolve(directory), resolve(dirname(file), path));
    Object.assign(holder, { [key]: moved });
  };
  const points = copy.sweep !== undefined && isPoints(copy.sweep) ? copy.sweep.points : [];
  const own = points.flatMap(({ models }) => Object.values((models ?? {}) as typeof copy.models));
  for (const model of [...Object.values(copy.models), ...own]) {
    const { profile = {}, implementation } = model;
    move(model, "profile");
    if (typeof profile === "object") for (const kind of Object.keys(profile)) move(profile, kind);
    if (implementation === undefined) continue;
    for (const [place] of fileEntries(implementation)) {
      const keys = place.split(".");
      const last = keys.pop() as string;
      const inner = (at: unknown, key: string) => (at as Record<string, unknown>)[key];
      move(keys.reduce<unknown>(inner, implementation), last);
    }
  }
  move(copy.cluster, "overheadProfile");
  if (copy.workload.arrivals === "trace") move(copy.workload, "file");
  move(copy.scheduler, "file");
  for (const point of points) {
    move(point.scheduler, "file");
    for (const path of Object.keys(point))
      if (/^models\..*\.profile\b/.test(path)) move(point, path);
  }
  return copy;
}
