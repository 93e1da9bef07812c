/** `tandem simulate --on`: a sweep's shards on the engine that an inventory names. */
import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../core/fault.ts";
import { inventoryFor } from "../library/inventory-file.ts";
import { shellWord } from "../library/provenance.ts";
import { plural } from "../reports/tables/format.ts";
import { makeFolder } from "../sweep/atomic-file.ts";
import type { Engine, ShardCommand, SubmittedJob } from "../sweep/engines/engine.ts";
import {
  type EngineSettings,
  ownJob,
  queueOf,
  readJobs,
  tasksLeft,
  writeJobs,
} from "../sweep/engines/job-list.ts";
import { runLocally } from "../sweep/engines/local.ts";
import { type Manifest, ShardFolder } from "../sweep/shards/shard-folder.ts";
import {
  chunksOf,
  estimatedSeconds,
  expectedWork,
  listText,
  shardsFor,
} from "../sweep/shards/shard-plan.ts";
import { interruptSignal, printWarning } from "./failure.ts";
import { gather, missingShards } from "./gather.ts";
import { duration, progress } from "./progress.ts";
import { askedSweep, requireFolder, shardWords } from "./shard.ts";
import { type PreparedSweep, prepareSweep, type SimulateArguments } from "./sweep-preparation.ts";

export interface SweepOnArguments extends SimulateArguments {
  /** The inventory's path. */
  readonly on: string;
  readonly shards?: number;
  readonly shardSeconds: number;
  readonly detach?: boolean;
}

/** A sweep in the hands of an engine. */
interface Sharded {
  readonly folder: ShardFolder;
  readonly manifest: Manifest;
  readonly settings: EngineSettings;
  readonly command: ShardCommand;
}

/** Submits what is missing, waits for it, and gathers it; or only submits it. */
export async function sweepOn(args: SweepOnArguments): Promise<void> {
  const out = requireFolder(args);
  const settings = engineSettings(args.on);
  const prepared = await prepareSweep(args);
  const folder = new ShardFolder(out);
  const manifest = folder.agree(askedSweep(args, prepared, shardsOf(args, prepared, folder)));
  const command = shardCommand(args, folder, manifest);
  const sharded = { folder, manifest, settings, command };
  const engine = queueOf(settings);
  if (engine === null) await onThisMachine(args, sharded);
  else await onQueue(args, sharded, engine);
}

/** Throws as `inventoryFor`, and Fault("usage") for a kind of machines that has no queue. */
function engineSettings(file: string): EngineSettings {
  const { inventory } = inventoryFor(file, []);
  if (inventory.kind !== "ssh" && inventory.kind !== "docker") return inventory;
  throw new Fault("usage", `${file}: no sweep runs on kind ${inventory.kind}`, {
    hint: "a sweep runs on local, slurm or kubernetes; `--shard i/N` runs a shard by hand anywhere",
  });
}

/** By `--shards`, by the manifest that is there, or by an estimate. */
function shardsOf(
  { shards, shardSeconds }: SweepOnArguments,
  { plan, sweep }: PreparedSweep,
  folder: ShardFolder,
): number {
  if (shards === undefined && folder.hasManifest) return folder.manifest().starts.length - 1;
  if (!(shardSeconds > 0)) {
    throw new Fault("usage", `--shard-seconds must be above 0, got ${shardSeconds}`);
  }
  const seconds = estimatedSeconds(plan, expectedWork(sweep));
  const number = shards ?? shardsFor(seconds, shardSeconds, sweep.count);
  const each = seconds / number;
  process.stderr.write(
    `${plural(sweep.count, "configuration")} in ${plural(number, "shard")} of about ${duration(each)}\n`,
  );
  if (shards !== undefined && each < shardSeconds && number > 1) {
    const fewer = shardsFor(seconds, shardSeconds, sweep.count);
    printWarning(
      `shards of less than ${shardSeconds} s spend much of their time on starting: \`--shards ${fewer}\` would do`,
    );
  }
  return number;
}

function shardCommand(
  args: SweepOnArguments,
  folder: ShardFolder,
  { key, starts }: Manifest,
): ShardCommand {
  return {
    program: [process.execPath, commandFile()],
    options: shardWords(args, folder.directory),
    shards: starts.length - 1,
    folder: process.cwd(),
    out: folder.directory,
    name: `tandem-${String(key.scenario).slice(0, 8).toLowerCase()}`,
    threads: args.workers ?? 1,
  };
}

/** Compiled: beside this file, or in dist/ when this runs from source. */
function commandFile(): string {
  const beside = fileURLToPath(new URL("./tandem.js", import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL("../dist/cli/tandem.js", import.meta.url));
}

async function onThisMachine(args: SweepOnArguments, sharded: Sharded): Promise<void> {
  const { folder, manifest, settings, command } = sharded;
  const jobs = readJobs(folder);
  if (jobs?.engine.kind === "local" && (await tasksLeft(jobs)).running > 0) {
    throw new Fault("usage", `another process runs the shards of ${folder.directory}`, {
      hint: `\`tandem sweep status ${shellWord(folder.directory)}\` shows how far it is`,
    });
  }
  if (args.detach) {
    await detached(args, folder);
    return;
  }
  const missing = folder.missing(manifest);
  writeJobs(folder, settings, [ownJob(listText(missing))]);
  folder.removeAttempts();
  folder.forgetFailures(missing);
  const interrupt = interruptSignal();
  const shown = showing(sharded);
  try {
    await runLocally({
      command,
      shards: missing,
      processes: settings.throttle ?? availableParallelism(),
      onEnd: shown.look,
      signal: interrupt.signal,
    });
  } finally {
    shown.stop();
    interrupt.dispose();
  }
  if (interrupt.signal.aborted) throw interrupted(sharded, "the same command goes on from there");
  await finish(args, sharded);
}

/** Starts the same command in a process that goes on when this shell ends. */
async function detached(args: SweepOnArguments, folder: ShardFolder): Promise<void> {
  makeFolder(folder.path("logs"));
  const log = openSync(folder.path("logs", "local.log"), "a");
  const { on, shardSeconds } = args;
  const words = [...shardWords(args, folder.directory), "--on", on, "--shard-seconds"];
  const child = spawn(process.execPath, [commandFile(), ...words, String(shardSeconds)], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  const ended = new Promise<boolean>((resolve) => child.once("exit", () => resolve(true)));
  const mine = (): boolean =>
    readJobs(folder)?.jobs.some(({ id }) => id.includes(`:${child.pid}:`)) === true;
  while (!mine()) {
    if (await Promise.race([ended, pause(50)])) {
      const hint = `its last words are in ${folder.path("logs", "local.log")}`;
      throw new Fault("cluster-failure", "the sweep's process ended at once", { hint });
    }
  }
  child.unref();
  tellDetached(args, folder, readJobs(folder)?.jobs ?? []);
}

async function onQueue(args: SweepOnArguments, sharded: Sharded, engine: Engine): Promise<void> {
  const { folder, settings } = sharded;
  const before = readJobs(folder);
  const left = before === undefined ? NONE : await tasksLeft(before);
  if (before !== undefined && left.running + left.waiting > 0) {
    process.stderr.write(`jobs of this sweep are there already: nothing is submitted twice\n`);
    if (args.detach) tellDetached(args, folder, before.jobs);
    else await waitFor(args, sharded, engine, before.jobs);
    return;
  }
  folder.removeAttempts();
  makeFolder(folder.path("logs"));
  writeJobs(folder, settings, []);
  const jobs = await submitMissing(sharded, engine);
  if (args.detach) tellDetached(args, folder, jobs);
  else await waitFor(args, sharded, engine, jobs);
}

const NONE = { running: 0, waiting: 0 };

/** Array by array; a limit on submitted tasks may leave the last ones for later. */
async function submitMissing(
  { folder, manifest, settings, command }: Sharded,
  engine: Engine,
): Promise<readonly SubmittedJob[]> {
  const missing = folder.missing(manifest);
  folder.forgetFailures(missing);
  const jobs: SubmittedJob[] = [];
  for (const shards of chunksOf(missing, await engine.mostTasks())) {
    try {
      jobs.push(await engine.submit(command, shards));
    } catch (error) {
      if (jobs.length === 0 || !(error instanceof Fault)) throw error;
      printWarning(`${error.message}: the same command submits the rest once these have ended`);
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
  args: SweepOnArguments,
  sharded: Sharded,
  engine: Engine,
  jobs: readonly SubmittedJob[],
): Promise<void> {
  const { folder, manifest } = sharded;
  const interrupt = interruptSignal();
  const shown = showing(sharded);
  let askedAt = performance.now();
  let interval = FIRST_ASKED_MS;
  try {
    while (shown.look() > 0 && !interrupt.signal.aborted) {
      await pause(LOOK_MS);
      if (performance.now() - askedAt < interval) continue;
      const { running, waiting } = await engine.left(jobs);
      askedAt = performance.now();
      interval = Math.min(SELDOM_ASKED_MS, interval * 1.5);
      if (running + waiting > 0) continue;
      await pause(SETTLE_MS);
      break;
    }
  } finally {
    shown.stop();
    interrupt.dispose();
  }
  if (interrupt.signal.aborted && folder.missing(manifest).length > 0) {
    const word = shellWord(folder.directory);
    const hint = `the jobs go on: \`tandem sweep status ${word}\`, or \`tandem sweep cancel ${word}\``;
    throw interrupted(sharded, hint);
  }
  await finish(args, sharded);
}

/** A bar of finished shards; `look` brings it up to date and returns how many are missing. */
function showing({ folder, manifest }: Sharded): { look(): number; stop(): void } {
  const total = manifest.starts.length - 1;
  const already = folder.finished().size;
  const shown = progress("shards", { total, already });
  return {
    look: () => {
      const finished = folder.finished().size;
      shown.update(finished);
      return total - finished;
    },
    stop: shown.stop,
  };
}

async function finish({ json }: SweepOnArguments, { folder, manifest }: Sharded): Promise<void> {
  const missing = folder.missing(manifest);
  if (missing.length > 0) throw missingShards(folder, missing, manifest.starts.length - 1);
  await gather({ directory: folder.directory, json });
}

function interrupted({ folder, manifest }: Sharded, hint: string): Fault {
  const shards = manifest.starts.length - 1;
  const kept = folder.finished().size;
  return new Fault("interrupted", `interrupted: ${kept} of ${plural(shards, "shard")} kept`, {
    hint,
  });
}

function tellDetached(
  { json }: SweepOnArguments,
  folder: ShardFolder,
  jobs: readonly SubmittedJob[],
): void {
  const { directory } = folder;
  if (json) {
    process.stdout.write(`${JSON.stringify({ schema: "tandem/sweep-jobs@1", directory, jobs })}\n`);
    return;
  }
  const word = shellWord(relative(process.cwd(), directory) || directory);
  const ids = jobs.map(({ id }) => id).join(", ");
  process.stdout.write(
    `submitted: ${ids}\nhow far: tandem sweep status ${word} · end it: tandem sweep cancel ${word} · results: tandem gather ${word}\n`,
  );
}

function pause(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}
