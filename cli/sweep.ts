/** `tandem gather`, `tandem sweep status` and `tandem sweep cancel`: a sweep in shards, seen from any shell. */
import { shellWord } from "../core/shell-word.ts";
import { failureText, type SweepStatus, shards as sharded } from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { print } from "./command-line.ts";
import { duration } from "./progress.ts";
import { printResults, sweepAnd } from "./simulate.ts";

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
