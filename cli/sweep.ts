/** `tandem sweep status` and `tandem sweep cancel`: a sweep in shards, seen from any shell. */
import { shellWord } from "../core/shell-word.ts";
import { failureText, type SweepStatus, shards as sharded } from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { duration } from "./progress.ts";

interface SweepArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function sweepStatus({ directory, json }: SweepArguments): Promise<void> {
  const status = await sharded.status(directory);
  const text = json ? JSON.stringify(status, null, 1) : statusLines(status, directory).join("\n");
  process.stdout.write(`${text}\n`);
}

/** Ends the jobs; the shards that are finished stay. */
export async function sweepCancel({ directory, json }: SweepArguments): Promise<void> {
  const { running, waiting, finished, shards } = await sharded.cancel(directory);
  const cancelled = running + waiting;
  const ended = cancelled === 0 ? "nothing was running" : "cancelled";
  const text = json
    ? JSON.stringify({ cancelled, finished, shards })
    : `${ended}; ${finished} of ${plural(shards, "shard")} kept: the command that started it goes on from there`;
  process.stdout.write(`${text}\n`);
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
  if (engine === null) return "started shard by shard";
  if (engine !== "local") return `${engine}: ${running} running, ${waiting} waiting`;
  return running > 0 ? "running on this machine" : "nothing runs on this machine";
}

function nextStep({ shards, finished, gathered, ...left }: SweepStatus, folder: string): string {
  if (left.running + left.waiting > 0) return `end it: tandem sweep cancel ${folder}`;
  if (finished < shards) return "go on: the command that started it runs only what is missing";
  if (gathered) return `gathered: results.json and its tables are there`;
  return `gather it: tandem gather ${folder}`;
}
