/** A sweep in shards: `tandem simulate --shard` and `--on`, `tandem gather`, `tandem sweep status` and `cancel`. */
import { relative, resolve } from "node:path";
import { shellWord } from "../core/command-words.ts";
import { Fault } from "../core/fault.ts";
import {
  failureText,
  type ShardEstimate,
  type SubmittedJob,
  type SweepStatus,
  shards as sharded,
} from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { parseList } from "../sweep/shards/shard-plan.ts";
import { print } from "./command-line.ts";
import { printWarning } from "./failure.ts";
import { duration, watched } from "./progress.ts";
import { askedSweep, printResults, type SimulateArguments, sweepAnd } from "./simulate.ts";

export interface ShardArguments extends SimulateArguments {
  /** `i/N`, or `N` where the environment has the index. */
  readonly shard: string;
  /** Shards of an array of tasks, as `0-9,12`: the task's index selects one. */
  readonly shardList?: string;
}

export interface SweepOnArguments extends SimulateArguments {
  /** The inventory's path. */
  readonly on: string;
  readonly shards?: number;
  readonly shardSeconds: number;
  readonly detach?: boolean;
}

/** Exit codes: 4, 130 and those of signals pay to be tried again. */
export async function simulateShard(args: ShardArguments): Promise<void> {
  const { shard, shards } = askedShard(args, process.env);
  const directory = requireFolder(args);
  const { loaded, options } = await askedSweep(args).catch(async (error: unknown) => {
    await sharded.noteFailure(directory, shard, error);
    throw error;
  });
  const record = await watched(
    `shard ${shard}/${shards}`,
    (watch) => sharded.run(loaded, { ...options, directory, shard, shards, ...watch }),
    kept,
  );
  const count = plural(record.end - record.first, "configuration");
  const took = `${record.seconds.toFixed(1)} s on ${record.host}`;
  print(args.json, record, `shard ${shard} of ${shards}: ${count} in ${took}`);
}

/** Submits what is missing, waits for it, and gathers it; or only submits it. */
export async function sweepOn(args: SweepOnArguments): Promise<void> {
  const directory = requireFolder(args);
  const { on, shards, shardSeconds, detach, json } = args;
  const { loaded, options } = await askedSweep(args);
  const asked = { ...options, directory, on, shards, shardSeconds, detach };
  const onEstimate = (estimate: ShardEstimate): void => tellEstimate(estimate, shardSeconds);
  const jobs = await watched(
    "shards",
    (watch) => sharded.start(loaded, { ...asked, ...watch, onNote: printWarning, onEstimate }),
    kept,
  );
  if (detach === true) tellDetached(directory, jobs, json);
  else await gather({ directory, json });
}

const kept = (): string => ": finished shards are kept";

/** Throws Fault("usage") without a folder. */
function requireFolder({ out }: SimulateArguments): string {
  if (out !== undefined && out.trim() !== "") return out;
  throw new Fault("usage", "shards need a folder that all machines see", {
    hint: "give --out DIR",
  });
}

const INDEX_VARIABLES = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];

/** Throws Fault("usage") for options that name no shard. */
export function askedShard(
  { shard: text, shardList }: Pick<ShardArguments, "shard" | "shardList">,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly shard: number; readonly shards: number } {
  const [, given, number] = /^(?:(\d+)\/)?(\d+)$/.exec(text.trim()) ?? [];
  if (number === undefined) {
    const hint = "--shard 0/8 is the first of eight; --shard 8 takes the index of an array job";
    throw new Fault("usage", `--shard ${text}: expected i/N or N`, { hint });
  }
  const variable = INDEX_VARIABLES.find((name) => /^\d+$/.test(environment[name] ?? ""));
  if (given === undefined && variable === undefined) {
    const names = INDEX_VARIABLES.join(" or ");
    throw new Fault("usage", `--shard ${text}: no ${names} gives the index`, {
      hint: `outside an array job, name one: --shard 0/${number}`,
    });
  }
  const shards = Number(number);
  const index = Number(given ?? environment[variable as string]);
  const list = given === undefined && shardList !== undefined ? parseList(shardList) : undefined;
  const shard = list === undefined ? index : list[index];
  if (shard !== undefined && shard < shards) return { shard, shards };
  const from = given === undefined ? ` (from ${variable})` : "";
  const there = `there is no shard ${index}${from} of ${list?.length ?? shards}`;
  throw new Fault("usage", `--shard: ${there}`, { hint: "shards are numbered from 0" });
}

function tellEstimate(
  { configurations, shards, secondsEach, fewer }: ShardEstimate,
  shardSeconds: number,
): void {
  const work = `${plural(configurations, "configuration")} in ${plural(shards, "shard")}`;
  process.stderr.write(`${work} of about ${duration(secondsEach)}\n`);
  if (fewer === undefined) return;
  printWarning(
    `shards of less than ${shardSeconds} s spend much of their time on starting: \`--shards ${fewer}\` would do`,
  );
}

function tellDetached(out: string, jobs: readonly SubmittedJob[], json: boolean): void {
  const word = shellWord(relative(process.cwd(), out) || out);
  const ids = jobs.map(({ id }) => id).join(", ");
  print(
    json,
    { schema: "tandem/sweep-jobs@1", directory: resolve(out), jobs },
    `submitted: ${ids}\nhow far: tandem sweep status ${word} · end it: tandem sweep cancel ${word} · results: tandem gather ${word}`,
  );
}

interface SweepArguments {
  readonly directory: string;
  readonly json: boolean;
}

/** The shards as the results of `tandem simulate --out`, to the byte. Rejects with Fault("unavailable") while some are missing. */
export async function gather({ directory, json }: SweepArguments): Promise<void> {
  const { loaded, options } = await sharded.gather(directory);
  await sweepAnd(loaded, options, (swept) => printResults(swept, { json, out: directory }));
}

export async function sweepStatus({ directory, json }: SweepArguments): Promise<void> {
  const status = await sharded.status(directory);
  print(json, status, statusLines(status, directory).join("\n"));
}

/** Ends the jobs; the shards that are finished stay. */
export async function sweepCancel({ directory, json }: SweepArguments): Promise<void> {
  const { running, waiting, finished, shards } = await sharded.cancel(directory);
  const cancelled = running + waiting;
  const ended = cancelled === 0 ? "nothing was running" : "cancelled";
  const kept = `${finished} of ${plural(shards, "shard")} kept`;
  const text = `${ended}; ${kept}: the command that started it goes on from there`;
  print(json, { cancelled, finished, shards }, text);
}

const MOST_FAILURES = 5;

function statusLines(status: SweepStatus, directory: string): readonly string[] {
  const { shards, finished, failed, configurations, failures, shardSeconds } = status;
  const all = plural(configurations, "configuration");
  const each = `${(shardSeconds / finished).toFixed(1)} s a shard`;
  return [
    `${finished} of ${plural(shards, "shard")} finished (${status.finishedConfigurations} of ${all}), ${failed} failed; ${workText(status)}`,
    ...(finished > 0 ? [`${duration(shardSeconds)} of computing, ${each}`] : []),
    ...failures.slice(0, MOST_FAILURES).map((one) => `shard ${one.shard}: ${failureText(one)}`),
    nextStep(status, shellWord(directory)),
  ];
}

function workText({ engine, running, waiting }: SweepStatus): string {
  if (engine === null) return "run without a queue";
  return `${engine}: ${running} running, ${waiting} waiting`;
}

function nextStep({ shards, finished, gathered, ...left }: SweepStatus, folder: string): string {
  if (left.running + left.waiting > 0) return `end it: tandem sweep cancel ${folder}`;
  if (finished < shards) return "go on: the command that started it runs only what is missing";
  if (gathered) return `gathered: results.json and its tables are there`;
  return `gather it: tandem gather ${folder}`;
}
