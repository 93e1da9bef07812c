/** A sweep in shards: one at a time on any machine that sees its folder, counted, ended, gathered. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { exitCodeOf, Fault, known } from "../core/fault.ts";
import { plural } from "../reports/tables/format.ts";
import { engineOf, type JobList, readJobs, tasksLeft } from "../sweep/engines/job-list.ts";
import { runShard } from "../sweep/shards/run-shard.ts";
import {
  failureText,
  type Manifest,
  type ShardFailure,
  ShardFolder,
  type ShardRecord,
} from "../sweep/shards/shard-folder.ts";
import { expectedWork, listText, rangeOf, shardStarts } from "../sweep/shards/shard-plan.ts";
import { RESULTS_FILE } from "./results-gathering.ts";
import { type Scenario, scenario } from "./scenario.ts";
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
      ...{ folder, manifest, shard, plan: prepared.plan, threads },
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
    ...{ key, configurations: sweep.count, shards },
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
export function requireAll(folder: ShardFolder, manifest: Manifest): void {
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

export interface SweepStatus {
  readonly schema: "tandem/sweep-status@1";
  readonly shards: number;
  readonly finished: number;
  readonly failed: number;
  readonly running: number;
  readonly waiting: number;
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
  const list = readJobs(folder);
  const left = await tasksLeft(list);
  const finished = [...folder.finished()];
  const ranges = finished.map((shard) => rangeOf(starts, shard));
  const failures = folder.failures();
  return {
    schema: "tandem/sweep-status@1",
    ...{ shards: starts.length - 1, finished: finished.length, failed: failures.length, ...left },
    configurations,
    finishedConfigurations: ranges.reduce((sum, { first, end }) => sum + end - first, 0),
    shardSeconds: finished.reduce((sum, shard) => sum + (folder.record(shard)?.seconds ?? 0), 0),
    gathered: existsSync(folder.path(RESULTS_FILE)),
    engine: list?.engine.kind ?? null,
    jobs: list?.jobs ?? [],
    failures,
  };
}

/** Ends the jobs of a sweep; the shards that are finished stay. Gives its state before. */
export async function cancelShards(directory: string): Promise<SweepStatus> {
  const status = await shardsStatus(directory);
  const list = readJobs(new ShardFolder(directory));
  if (list !== undefined) await engineOf(list.engine).cancel(list.jobs);
  return status;
}
