/** `tandem sweep status` and `tandem sweep cancel`: a sweep in shards, seen from any shell. */
import { existsSync } from "node:fs";
import { shellWord } from "../library/provenance.ts";
import { RESULTS_FILE } from "../library/results-gathering.ts";
import { plural } from "../reports/tables/format.ts";
import { cancelJobs, type JobList, readJobs, tasksLeft } from "../sweep/engines/job-list.ts";
import { type ShardFailure, ShardFolder } from "../sweep/shards/shard-folder.ts";
import { rangeOf } from "../sweep/shards/shard-plan.ts";
import { failureText } from "./gather.ts";
import { duration } from "./progress.ts";

interface SweepArguments {
  readonly directory: string;
  readonly json: boolean;
}

interface SweepStatus {
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

export async function sweepStatus({ directory, json }: SweepArguments): Promise<void> {
  const status = await statusOf(new ShardFolder(directory));
  const text = json ? JSON.stringify(status, null, 1) : statusLines(status, directory).join("\n");
  process.stdout.write(`${text}\n`);
}

/** Ends the jobs; the shards that are finished stay. */
export async function sweepCancel({ directory, json }: SweepArguments): Promise<void> {
  const folder = new ShardFolder(directory);
  const { running, waiting, finished, shards } = await statusOf(folder);
  const jobs = readJobs(folder);
  if (jobs !== undefined) await cancelJobs(jobs);
  const cancelled = running + waiting;
  const ended = cancelled === 0 ? "nothing was running" : "cancelled";
  const text = json
    ? JSON.stringify({ cancelled, finished, shards })
    : `${ended}; ${finished} of ${plural(shards, "shard")} kept: the command that started it goes on from there`;
  process.stdout.write(`${text}\n`);
}

async function statusOf(folder: ShardFolder): Promise<SweepStatus> {
  const { starts, configurations } = folder.manifest();
  const list = readJobs(folder);
  const left = list === undefined ? { running: 0, waiting: 0 } : await tasksLeft(list);
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
  if (gathered) return `gathered: ${RESULTS_FILE} and its tables are there`;
  return `gather it: tandem gather ${folder}`;
}
