/** The shards of a sweep where an inventory says: here, or in the queue of a cluster. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Fault } from "../core/fault.ts";
import { shellWord } from "../core/shell-word.ts";
import { plural } from "../reports/tables/format.ts";
import { makeFolder } from "../sweep/atomic-file.ts";
import type { Engine, ShardCommand, SubmittedJob } from "../sweep/engines/engine.ts";
import {
  type EngineSettings,
  engineOf,
  readJobs,
  tasksLeft,
  writeJobs,
} from "../sweep/engines/job-list.ts";
import { runShard } from "../sweep/shards/run-shard.ts";
import { type Manifest, ShardFolder } from "../sweep/shards/shard-folder.ts";
import { chunksOf, estimatedSeconds, expectedWork, shardsFor } from "../sweep/shards/shard-plan.ts";
import { assignments, optionWords } from "./provenance.ts";
import { inventoryFor, type Scenario } from "./scenario.ts";
import { agreed, requireAll, type ShardedOptions } from "./shards.ts";
import { type PreparedSweep, prepareSweep } from "./sweep.ts";

export interface ShardJobsOptions extends ShardedOptions {
  /** The inventory's path. */
  readonly on: string;
  /** Default: as many as take `shardSeconds` each, by an estimate. */
  readonly shards?: number | undefined;
  /** Least time of a shard. Default: 30. */
  readonly shardSeconds?: number | undefined;
  /** Submit, and do not wait. Default: false. */
  readonly detach?: boolean | undefined;
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

/** A sweep that is cut. */
interface Sharded {
  readonly folder: ShardFolder;
  readonly manifest: Manifest;
}

/**
 * Submits the shards that are missing, and waits for them unless it is told to detach: then gives the jobs. On this
 * machine it runs them one after the other, on threads. Progress counts shards. Rejects with Fault("interrupted")
 * after an abort, where jobs of a queue go on.
 */
export async function runShards(
  loaded: Scenario,
  options: ShardJobsOptions,
): Promise<readonly SubmittedJob[]> {
  const { inventory } = inventoryFor(options.on, []);
  if (inventory.kind === "ssh" || inventory.kind === "docker") {
    throw new Fault("usage", `${options.on}: no sweep runs on kind ${inventory.kind}`, {
      hint: "a sweep runs on local, slurm or kubernetes; `--shard i/N` runs a shard by hand anywhere",
    });
  }
  if (inventory.kind === "local" && options.detach === true) {
    throw new Fault("usage", `${options.on}: kind local has no queue that goes on by itself`, {
      hint: "leave out --detach, and start the command as your shell starts work in the background",
    });
  }
  const prepared = prepareSweep(loaded, options);
  const folder = new ShardFolder(options.directory);
  const shards = await shardsOf(options, prepared, folder);
  const sharded = { folder, manifest: agreed(folder, loaded, options, prepared, shards) };
  if (inventory.kind === "local") {
    await runHere(options, sharded, prepared, inventory.throttle ?? availableParallelism());
    return [];
  }
  const command = shardCommand(loaded, options, folder, sharded.manifest);
  const jobs = await onQueue(options, sharded, inventory, command);
  if (options.detach !== true) requireAll(folder, sharded.manifest);
  return jobs;
}

async function runHere(
  options: ShardJobsOptions,
  sharded: Sharded,
  { plan }: PreparedSweep,
  most: number,
): Promise<void> {
  const { signal = new AbortController().signal, threads = most } = options;
  try {
    look(options, sharded);
    for (const shard of sharded.folder.missing(sharded.manifest)) {
      await runShard({ ...sharded, shard, plan, threads, signal });
      look(options, sharded);
    }
  } catch (error) {
    throw signal.aborted ? interrupted(sharded, "the same command goes on from there") : error;
  }
}

const SHARD_SECONDS = 30;

/** As asked, by the manifest that is there, or by an estimate. */
async function shardsOf(
  { shards, shardSeconds = SHARD_SECONDS, onEstimate, signal }: ShardJobsOptions,
  { plan, sweep: { count, at } }: PreparedSweep,
  folder: ShardFolder,
): Promise<number> {
  if (shards === undefined && folder.hasManifest) return folder.manifest().starts.length - 1;
  if (!(shardSeconds > 0)) {
    throw new Fault("usage", `--shard-seconds must be above 0, got ${shardSeconds}`);
  }
  const seconds = await estimatedSeconds(plan, expectedWork({ count, at }), signal);
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
  { sample, requests, allowLarge, threads }: ShardJobsOptions,
  { directory }: ShardFolder,
  { key, starts }: Manifest,
): ShardCommand {
  const options = {
    ...{ set: assignments(overrides), workers: threads, requests, yes: allowLarge },
    ...{ sample: sample && [sample.method, sample.count], out: directory },
  };
  return {
    program: [process.execPath, commandFile()],
    options: ["simulate", file, ...optionWords(options)],
    shards: starts.length - 1,
    folder: process.cwd(),
    out: directory,
    name: `tandem-${String(key.scenario).slice(0, 8).toLowerCase()}`,
    threads: threads ?? 1,
  };
}

/** Compiled: in the folder of this one's, or below dist/ when this runs from source. */
function commandFile(): string {
  const beside = fileURLToPath(new URL("../cli/tandem.js", import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL("../dist/cli/tandem.js", import.meta.url));
}

async function onQueue(
  options: ShardJobsOptions,
  sharded: Sharded,
  settings: EngineSettings,
  command: ShardCommand,
): Promise<readonly SubmittedJob[]> {
  const { folder } = sharded;
  const engine = engineOf(settings);
  const before = readJobs(folder);
  const left = await tasksLeft(before);
  let jobs = before?.jobs ?? [];
  if (left.running + left.waiting > 0) {
    options.onNote?.("jobs of this sweep are there already: nothing is submitted twice");
  } else {
    folder.removeAttempts();
    makeFolder(folder.path("logs"));
    writeJobs(folder, settings, []);
    jobs = await submitMissing(options, sharded, settings, command);
  }
  if (options.detach !== true) await waitFor(options, sharded, engine, jobs);
  return jobs;
}

/** Array by array; a limit on submitted tasks may leave the last ones for later. */
async function submitMissing(
  { onNote }: ShardJobsOptions,
  { folder, manifest }: Sharded,
  settings: EngineSettings,
  command: ShardCommand,
): Promise<readonly SubmittedJob[]> {
  const engine = engineOf(settings);
  const missing = folder.missing(manifest);
  folder.forgetFailures(missing);
  const jobs: SubmittedJob[] = [];
  for (const shards of chunksOf(missing, await engine.mostTasks())) {
    try {
      jobs.push(await engine.submit(command, shards));
    } catch (error) {
      if (jobs.length === 0 || !(error instanceof Fault)) throw error;
      onNote?.(`${error.message}: the same command submits the rest once these have ended`);
      break;
    }
    writeJobs(folder, settings, jobs);
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
  options: ShardJobsOptions,
  sharded: Sharded,
  engine: Engine,
  jobs: readonly SubmittedJob[],
): Promise<void> {
  const { directory } = sharded.folder;
  let askedAt = performance.now();
  let interval = FIRST_ASKED_MS;
  while (look(options, sharded) > 0 && options.signal?.aborted !== true) {
    await pause(LOOK_MS);
    if (performance.now() - askedAt < interval) continue;
    const { running, waiting } = await engine.left(jobs);
    askedAt = performance.now();
    interval = Math.min(SELDOM_ASKED_MS, interval * 1.5);
    if (running + waiting > 0) continue;
    await pause(SETTLE_MS);
    break;
  }
  if (look(options, sharded) === 0 || options.signal?.aborted !== true) return;
  const word = shellWord(directory);
  const hint = `the jobs go on: \`tandem sweep status ${word}\`, or \`tandem sweep cancel ${word}\``;
  throw interrupted(sharded, hint);
}

/** Reports the progress; gives how many shards are missing. */
function look({ onProgress }: ShardJobsOptions, { folder, manifest }: Sharded): number {
  const total = manifest.starts.length - 1;
  const done = folder.finished().size;
  onProgress?.({ done, total });
  return total - done;
}

function interrupted({ folder, manifest }: Sharded, hint: string): Fault {
  const shards = plural(manifest.starts.length - 1, "shard");
  const message = `interrupted: ${folder.finished().size} of ${shards} kept`;
  return new Fault("interrupted", message, { hint });
}

function pause(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}
