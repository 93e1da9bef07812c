/**
 * `check`: everything that can be wrong with a scenario, without a run of it. Schedulers of the user are played on
 * the scenario's system; other commands do that for a short while before anything starts.
 */

import { Fault } from "../engine/basics/fault.ts";
import { cutNotes, goalNotes, groupNotes } from "../results/input-notes.ts";
import { haveTimes } from "../scenario/checks/check-models.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { type Configuration, checkedSweep, expandValidation } from "../scenario/expand-sweep.ts";
import { type LoadedInventory, unusedMachines } from "../scenario/inventory/read-inventory.ts";
import { invalidInput } from "../scenario/reading/issues.ts";
import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import { continuousPaths } from "../scenario/sweep/axes.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { clustersToPlay, playOnce, type Verdict, type Weather } from "../schedulers/play.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { interruptible } from "./interruptible.ts";
import { inventoryFor, type Scenario, schedulerChecks } from "./scenario.ts";

export interface Checked {
  /** Counts the configurations of the sweep, or the points that were checked. */
  readonly configurations: number;
  /** Whether the sweep has a range without a step, of which some points were looked at. */
  readonly isSampled: boolean;
  /** A sentence for each SLO that cannot be kept, each task that cuts its sequences, and each machine of the inventory that nothing runs on. */
  readonly notes: readonly string[];
  /** Random runs by scheduler file of one's own: up to 300 of each scheduler, as many as there is time for. */
  readonly plays: Readonly<Record<string, number>>;
}

const LOOKED_AT = { method: "random", count: 100 } as const;

/**
 * Checks every configuration of the sweep, plays schedulers of one's own in random runs, and looks for a machine of
 * the inventory `on` for every node. Throws Fault("invalid-input") with all issues.
 */
export async function check(
  loaded: Scenario,
  options: { readonly on?: string | undefined } = {},
): Promise<Checked> {
  const checks = schedulerChecks(loaded.own);
  const { document } = loaded;
  const isSampled = continuousPaths(document.sweep).length > 0;
  const sample = isSampled ? LOOKED_AT : undefined;
  const sweep = checkedSweep(loaded, { ...checks, allowLarge: true, sample });
  let notes = haveTimes(document, loaded.profiles)
    ? [...cutNotes(document, loaded), ...goalNotes(document, loaded), ...groupNotes(document)]
    : [];
  if (options.on !== undefined) {
    const real = expandValidation(loaded, checks);
    const documents = [document, ...real.map((one) => one.document)];
    const inventory = inventoryFor(options.on, documents);
    notes = [...notes, ...unusedMachines(inventory, documents), ...(await gresNotes(inventory))];
  }
  const plays = Object.fromEntries(checkOwn(loaded, configurationsOf(sweep)));
  return { configurations: sweep.count, isSampled, notes, plays };
}

/** A sentence where Slurm does not answer. Throws Fault("invalid-input") for `gres` that it does not have. */
async function gresNotes({
  inventory,
  file,
  positions,
}: LoadedInventory): Promise<readonly string[]> {
  if (inventory.kind !== "slurm") return [];
  const { unknownGres } = await import("../cluster/machines/slurm/allocation.ts");
  const issues = await unknownGres(inventory).catch((error: Error) => error.message);
  if (typeof issues === "string") return [`${file}: no name of \`gres\` was looked up: ${issues}`];
  if (issues.length > 0) throw invalidInput(file, issues, positions);
  return [];
}

/** At most so many configurations are looked at for schedulers that differ. */
const MOST_LOOKED_AT = 200;
const MOST_PLAYS = 300;
const MOST_TOLD = 30;
const CHECK_MS = 2500;
const TRY_OUT_MS = 250;
/** A random run of a hundred requests that takes longer does not end. */
const HUNG_MS = 20_000;

/** A configuration, and the scheduler file that it names. */
interface Played {
  readonly file: string;
  readonly configuration: Configuration;
}

/** Random runs by scheduler file; throws Fault("invalid-input") with the rule that one breaks. */
export function checkOwn(
  loaded: ReadyScenario,
  configurations: Iterable<Configuration>,
): ReadonlyMap<string, number> {
  return playAll(loaded, configurations, "rough", CHECK_MS);
}

/**
 * A short look under load alone, so that a scheduler that throws or decides nonsense stops a command
 * before it has written or started anything. It may do as it likes under faults that do not come.
 */
export function tryOutOwn(
  loaded: ReadyScenario,
  configurations: Iterable<Configuration> = [ownConfiguration(loaded)],
): void {
  playAll(loaded, configurations, "calm", TRY_OUT_MS);
}

/** The same before a real run, where fifo takes over from a scheduler that fails. */
export function tryOutForReal(
  loaded: ReadyScenario,
  configurations: readonly Configuration[] = [ownConfiguration(loaded)],
): void {
  for (const { document } of configurations) {
    const own = fileOf(document.scheduler);
    const pipelines = Object.entries(document.pipelines);
    const held = pipelines.find(([, { discipline }]) => discipline === "pipeline-held");
    if (own === undefined || held === undefined) continue;
    const message = `${loaded.file}: ${own} can only be simulated, as ${held[0]} is pipeline-held`;
    throw new Fault("invalid-input", message, {
      hint: "where it fails, no other takes over requests that hold chains: set `discipline: per-task`",
    });
  }
  tryOutOwn(loaded, configurations);
}

/** That of the scenario without its sweep. */
function ownConfiguration({ document }: ReadyScenario): Configuration {
  return { id: "base", parameters: {}, document };
}

function playAll(
  loaded: ReadyScenario,
  configurations: Iterable<Configuration>,
  weather: Weather,
  ms: number,
): ReadonlyMap<string, number> {
  const plays = new Map<string, number>();
  // Models that are still to be calibrated have no times to play with.
  if (loaded.own === undefined || !haveTimes(loaded.document, loaded.profiles)) return plays;
  const played = distinct(configurations);
  for (const one of played) {
    const { document } = one.configuration;
    const own = compileSystem(document, loaded);
    const clusters = weather === "rough" ? clustersToPlay(own) : [{ about: "", system: own }];
    const endMs = performance.now() + ms / played.length;
    let number = 0;
    do {
      const { about, system } = clusters[number % clusters.length];
      const make = () => createScheduler(document.scheduler, system, "1", loaded.own);
      const verdict = interruptible(() => playOnce(system, make, number++, weather), HUNG_MS);
      if (verdict !== null) throw refusal(loaded.file, one, verdict, about);
    } while (number < MOST_PLAYS && performance.now() < endMs);
    plays.set(one.file, (plays.get(one.file) ?? 0) + number);
  }
  return plays;
}

/** Configurations whose scheduler is one of the user's, the first with each. */
function distinct(configurations: Iterable<Configuration>): readonly Played[] {
  const found = new Map<string, Played>();
  let looked = 0;
  for (const configuration of configurations) {
    if (++looked > MOST_LOOKED_AT) break;
    const file = fileOf(configuration.document.scheduler);
    const key = JSON.stringify(configuration.document.scheduler);
    if (file !== undefined && !found.has(key)) found.set(key, { file, configuration });
  }
  return [...found.values()];
}

function fileOf(scheduler: SchedulerDocument): string | undefined {
  return typeof scheduler === "string" ? undefined : scheduler.file;
}

function refusal(
  scenario: string,
  { file, configuration }: Played,
  { rule, steps }: Verdict,
  cluster: string,
): Fault {
  const at = `${configuration.id === "base" ? "" : ` in ${configuration.id}`}${cluster}`;
  const told = steps.map((line, i) => `    ${i + 1}. ${line}`).slice(-MOST_TOLD);
  const story = told.length === 0 ? "" : `\n  steps that lead there:\n${told.join("\n")}`;
  return new Fault("invalid-input", `${file} breaks a rule${at}: ${rule}${story}`, {
    hint: `change it, then \`tandem check ${scenario}\`; docs/your-own-scheduler.md lists the rules`,
  });
}

/** Configurations of a sweep, made one by one. */
export function* configurationsOf(sweep: {
  readonly count: number;
  at(index: number): Configuration;
}): Generator<Configuration> {
  for (let index = 0; index < sweep.count; index++) yield sweep.at(index);
}
