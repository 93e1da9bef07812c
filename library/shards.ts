/** A sweep in shards: each on any machine that sees their folder, or all where an inventory says. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { builtFile } from "../build/version.ts";
import { exitCodeOf, Fault, known } from "../engine/basics/fault.ts";
import { plural } from "../reports/tables/format.ts";
import { shellWord } from "../scenario/inventory/command-words.ts";
import { makeFolder } from "../sweep/atomic-file.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import {
  chunksOf,
  type Engine,
  listText,
  type ShardCommand,
  type SubmittedJob,
  type TasksLeft,
} from "../sweep/engines/engine.ts";
import { kubernetes } from "../sweep/engines/kubernetes.ts";
import { slurm } from "../sweep/engines/slurm.ts";
import {
  type EngineSettings,
  failureText,
  type JobList,
  type Manifest,
  type ShardFailure,
  ShardFolder,
  type ShardRecord,
} from "../sweep/shards/shard-folder.ts";
import {
  estimatedSeconds,
  expectedWork,
  rangeOf,
  runShard,
  shardStarts,
  shardsFor,
} from "../sweep/shards/shard-work.ts";
import { checkedOptions, type Given, type Values } from "./option.ts";
import { SHARD_JOBS } from "./options.ts";
import { assignments, optionWords } from "./provenance.ts";
import { RESULTS_FILE } from "./results.ts";
import { inventoryFor, type Scenario, scenario } from "./scenario.ts";
import { type PreparedSweep, prepareSweep, type SweepOptions } from "./sweep.ts";

/** Options of a sweep that its results depend on, and the folder that all machines see. */
export interface ShardedOptions extends SweepOptions {
  readonly directory: string;
}

export interface ShardOptions extends ShardedOptions {
  /** From 0. */
  readonly shard: number;
  /** In all. */
  readonly shards: number;
}

/**
 * Runs one shard of a sweep, on one thread unless told otherwise; none that is finished. Progress counts
 * configurations. Throws Fault("usage") in a folder of another sweep, Fault("interrupted") after an abort.
 */
export async function runOneShard(loaded: Scenario, options: ShardOptions): Promise<ShardRecord> {
  const { directory, shard, shards, threads = 1, onProgress, signal } = options;
  const folder = new ShardFolder(directory);
  try {
    const prepared = prepareSweep(loaded, options, (key) => folder.knows(key));
    const manifest = agreed(folder, loaded, options, prepared, shards);
    const { first, end } = rangeOf(manifest.starts, shard);
    await runShard({
      folder,
      manifest,
      shard,
      plan: prepared.plan,
      threads,
      onProgress: (done) => onProgress?.({ done, total: end - first }),
      signal: signal ?? new AbortController().signal,
    });
  } catch (error) {
    noteShardFailure(directory, shard, error);
    throw error;
  }
  return folder.record(shard) as ShardRecord;
}

/** Leaves a note that a shard has failed, for those who look at the folder. */
export function noteShardFailure(directory: string, shard: number, error: unknown): void {
  const { message, hint } = known(error) as Fault;
  new ShardFolder(directory).noteFailure({ shard, exit: exitCodeOf(error), message, hint });
}

/** The manifest of the folder, written where there is none. Throws Fault("usage") for one of another sweep. */
export function agreed(
  folder: ShardFolder,
  { file, overrides }: Scenario,
  { sample, margin, requests, allowLarge }: SweepOptions,
  { sweep, key, header: { command } }: PreparedSweep,
  shards: number,
): Manifest {
  return folder.agree({
    arguments: { file, overrides, sample, margin, requests, allowLarge, command },
    key,
    configurations: sweep.count,
    shards,
    starts: () => shardStarts(expectedWork(sweep), shards),
  });
}

/**
 * Puts the shards of a folder together as the store of their sweep. `sweep` with what this gives finds all
 * finished, and writes the results as without shards, to the byte. Rejects with Fault("unavailable") while
 * shards are missing.
 */
export async function gatherShards(
  directory: string,
): Promise<{ readonly loaded: Scenario; readonly options: ShardedOptions }> {
  const folder = new ShardFolder(directory);
  const manifest = folder.manifest();
  requireAll(folder, manifest);
  const { file, overrides, ...known } = manifest.arguments;
  const loaded = await scenario(resolve(folder.directory, manifest.folder, file), overrides);
  const options = { ...known, directory: folder.directory, threads: 1 };
  // Throws if the scenario has changed since, or this build gives other results.
  const prepared = prepareSweep(loaded, options, (key) => folder.knows(key));
  agreed(folder, loaded, options, prepared, manifest.starts.length - 1);
  folder.gather(manifest);
  folder.removeAttempts();
  return { loaded, options };
}

const MOST_SHOWN = 5;

/** Failures that come again are the user's to put right; the rest may end by another try. */
function requireAll(folder: ShardFolder, manifest: Manifest): void {
  const missing = folder.missing(manifest);
  if (missing.length === 0) return;
  const failures = folder.failures();
  const lasting = failures.filter(({ exit }) => exit >= 1 && exit <= 3);
  const shown = [...lasting, ...failures.filter((one) => !lasting.includes(one))];
  const issues = shown.slice(0, MOST_SHOWN).map((failure) => ({
    path: `shard ${failure.shard}`,
    message: failureText(failure),
  }));
  const listed = listText(missing.slice(0, 100)) + (missing.length > 100 ? ", ..." : "");
  throw new Fault(
    lasting.length > 0 ? "invalid-input" : "unavailable",
    `${missing.length} of ${plural(manifest.starts.length - 1, "shard")} missing: ${listed}`,
    { issues, hint: "the command that started the sweep, given again, runs only these" },
  );
}

export interface SweepStatus extends TasksLeft {
  readonly schema: "tandem/sweep-status@1";
  readonly shards: number;
  readonly finished: number;
  readonly failed: number;
  readonly configurations: number;
  readonly finishedConfigurations: number;
  /** The time of all finished shards together. */
  readonly shardSeconds: number;
  readonly gathered: boolean;
  /** Null for shards that were started one by one. */
  readonly engine: JobList["engine"]["kind"] | null;
  readonly jobs: JobList["jobs"];
  readonly failures: readonly ShardFailure[];
}

/** How far a sweep in shards is. Rejects with Fault("not-found") where there is none. */
export async function shardsStatus(directory: string): Promise<SweepStatus> {
  const folder = new ShardFolder(directory);
  const { starts, configurations } = folder.manifest();
  const list = folder.jobs();
  const left = await tasksLeft(list);
  const finished = [...folder.finished()];
  const ranges = finished.map((shard) => rangeOf(starts, shard));
  const failures = folder.failures();
  return {
    schema: "tandem/sweep-status@1",
    shards: starts.length - 1,
    finished: finished.length,
    failed: failures.length,
    ...left,
    configurations,
    finishedConfigurations: ranges.reduce((sum, { first, end }) => sum + end - first, 0),
    shardSeconds: finished.reduce((sum, shard) => sum + (folder.record(shard)?.seconds ?? 0), 0),
    gathered: existsSync(folder.path(RESULTS_FILE)),
    engine: list?.engine.kind ?? null,
    jobs: list?.jobs ?? [],
    failures,
  };
}

/** Rejects as the engine does. */
async function tasksLeft(list: JobList | undefined): Promise<TasksLeft> {
  return list === undefined ? { running: 0, waiting: 0 } : engineOf(list.engine).left(list.jobs);
}

function engineOf(settings: EngineSettings): Engine {
  return settings.kind === "slurm" ? slurm(settings) : kubernetes(settings);
}

/** Ends the jobs of a sweep; the shards that are finished stay. Gives its state before. */
export async function cancelShards(directory: string): Promise<SweepStatus> {
  const status = await shardsStatus(directory);
  const list = new ShardFolder(directory).jobs();
  if (list !== undefined) await engineOf(list.engine).cancel(list.jobs);
  return status;
}

export interface ShardJobsOptions extends ShardedOptions, Given<typeof SHARD_JOBS> {
  /** The inventory's path. */
  readonly on: string;
  /** Called with the estimate of the work, before anything is submitted. */
  readonly onEstimate?: ((estimate: ShardEstimate) => void) | undefined;
}

export interface ShardEstimate {
  readonly configurations: number;
  readonly shards: number;
  /** A shard takes this long on one thread of this machine. */
  readonly secondsEach: number;
  /** Set where shards would spend much of their time on starting: so many would do. */
  readonly fewer?: number;
}

/** A sweep that is cut into shards. */
interface Sharded {
  readonly options: ShardJobsOptions;
  readonly folder: ShardFolder;
  readonly manifest: Manifest;
}

/**
 * Submits the shards that are missing, and waits for them unless it is to detach: then gives the jobs. On this
 * machine it runs them one after the other, on threads. Progress counts shards. Rejects with Fault("interrupted")
 * after an abort, where jobs of a queue go on.
 */
export async function runShards(
  loaded: Scenario,
  options: ShardJobsOptions,
): Promise<readonly SubmittedJob[]> {
  const { on, directory } = options;
  const asked = checkedOptions(SHARD_JOBS, options);
  const { inventory } = inventoryFor(on, []);
  if (inventory.kind === "ssh") {
    throw new Fault("usage", `${on}: no sweep runs on kind ssh`, {
      hint: "a sweep runs on local, slurm or kubernetes; `--shard i/N` runs a shard by hand anywhere",
    });
  }
  if (inventory.kind === "local" && asked.detach) {
    throw new Fault("usage", `${on}: kind local has no queue that goes on by itself`, {
      hint: "leave out --detach, and start the command as your shell starts work in the background",
    });
  }
  const prepared = prepareSweep(loaded, options);
  const folder = new ShardFolder(directory);
  const shards = await shardsOf({ ...options, ...asked }, prepared, folder);
  const manifest = agreed(folder, loaded, options, prepared, shards);
  const sharded = { options, folder, manifest };
  if (inventory.kind === "local") {
    await runHere(sharded, prepared.plan, inventory.throttle ?? availableParallelism());
    return [];
  }
  const jobs = await submitMissing(sharded, inventory, shardCommand(loaded, sharded));
  if (asked.detach) return jobs;
  await waitFor(sharded, engineOf(inventory), jobs);
  requireAll(folder, manifest);
  return jobs;
}

async function runHere(sharded: Sharded, plan: SweepPlan, most: number): Promise<void> {
  const { options, folder, manifest } = sharded;
  const { signal = new AbortController().signal, threads = most } = options;
  try {
    look(sharded);
    for (const shard of folder.missing(manifest)) {
      await runShard({ folder, manifest, shard, plan, threads, signal });
      look(sharded);
    }
  } catch (error) {
    throw signal.aborted ? interrupted(sharded, "the same command goes on from there") : error;
  }
}

/** As asked, by the manifest that is there, or by an estimate. */
async function shardsOf(
  { shards, shardSeconds, onEstimate, signal }: ShardJobsOptions & Values<typeof SHARD_JOBS>,
  { plan, sweep: { count, at } }: PreparedSweep,
  folder: ShardFolder,
): Promise<number> {
  if (shards === undefined && folder.hasManifest) return folder.manifest().starts.length - 1;
  const work = expectedWork({ count, at });
  // A number that there cannot be is refused before anything is estimated.
  if (shards !== undefined) shardStarts(work, shards);
  const seconds = await estimatedSeconds(plan, work, signal);
  const enough = shardsFor(seconds, shardSeconds, count);
  const number = shards ?? enough;
  const secondsEach = seconds / number;
  const tooMany = shards !== undefined && secondsEach < shardSeconds && number > 1;
  const fewer = tooMany ? { fewer: enough } : {};
  onEstimate?.({ configurations: count, shards: number, secondsEach, ...fewer });
  return number;
}

function shardCommand(
  { file, overrides }: Scenario,
  { options, folder: { directory }, manifest: { key, starts } }: Sharded,
): ShardCommand {
  const { sample, requests, allowLarge, threads } = options;
  const words = optionWords({
    set: assignments(overrides),
    workers: threads,
    requests,
    yes: allowLarge,
    sample: sample && [sample.method, sample.count],
    out: directory,
  });
  return {
    program: [process.execPath, fileURLToPath(builtFile("cli/tandem.js"))],
    options: ["simulate", file, ...words],
    shards: starts.length - 1,
    folder: process.cwd(),
    out: directory,
    name: `tandem-${String(key.scenario).slice(0, 8).toLowerCase()}`,
    threads: threads ?? 1,
  };
}

/** Array by array; a limit on submitted tasks may leave the last ones for later. */
async function submitMissing(
  { options: { onNote }, folder, manifest }: Sharded,
  settings: EngineSettings,
  command: ShardCommand,
): Promise<readonly SubmittedJob[]> {
  const before = folder.jobs();
  const { running, waiting } = await tasksLeft(before);
  if (before !== undefined && running + waiting > 0) {
    onNote?.("jobs of this sweep are there already: nothing is submitted twice");
    return before.jobs;
  }
  const engine = engineOf(settings);
  const missing = folder.missing(manifest);
  const jobs: SubmittedJob[] = [];
  folder.removeAttempts();
  folder.forgetFailures(missing);
  makeFolder(folder.path("logs"));
  folder.noteJobs(settings, jobs);
  for (const shards of chunksOf(missing, await engine.mostTasks())) {
    try {
      jobs.push(await engine.submit(command, shards));
    } catch (error) {
      if (jobs.length === 0 || !(error instanceof Fault)) throw error;
      onNote?.(`${error.message}: the same command submits the rest once these have ended`);
      break;
    }
    folder.noteJobs(settings, jobs);
  }
  return jobs;
}

const LOOK_MS = 500;
/** Questions to a queue serve all its users: they become rare. */
const FIRST_ASKED_MS = 2000;
const SELDOM_ASKED_MS = 30_000;
/** A shared folder may show a file so much later than it was written. */
const SETTLE_MS = 3000;

async function waitFor(
  sharded: Sharded,
  engine: Engine,
  jobs: readonly SubmittedJob[],
): Promise<void> {
  const { options, folder } = sharded;
  const isAborted = (): boolean => options.signal?.aborted === true;
  let askedAt = performance.now();
  let interval = FIRST_ASKED_MS;
  while (look(sharded) > 0 && !isAborted()) {
    await setTimeout(LOOK_MS);
    if (performance.now() - askedAt < interval) continue;
    const { running, waiting } = await engine.left(jobs);
    askedAt = performance.now();
    interval = Math.min(SELDOM_ASKED_MS, interval * 1.5);
    if (running + waiting > 0) continue;
    await setTimeout(SETTLE_MS);
    break;
  }
  if (look(sharded) === 0 || !isAborted()) return;
  const word = shellWord(folder.directory);
  const hint = `the jobs go on: \`tandem sweep status ${word}\`, or \`tandem sweep cancel ${word}\``;
  throw interrupted(sharded, hint);
}

/** Reports the progress; gives how many shards are missing. */
function look({ options, folder, manifest }: Sharded): number {
  const total = manifest.starts.length - 1;
  const done = folder.finished().size;
  options.onProgress?.({ done, total });
  return total - done;
}

function interrupted({ folder, manifest }: Sharded, hint: string): Fault {
  const shards = plural(manifest.starts.length - 1, "shard");
  const message = `interrupted: ${folder.finished().size} of ${shards} kept`;
  return new Fault("interrupted", message, { hint });
}
