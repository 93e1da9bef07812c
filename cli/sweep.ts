/** `tandem sweep status` and `tandem sweep cancel`: a sweep in shards, seen from any shell. */
import { existsSync } from "node:fs";
import { plural } from "../reports/tables/format.ts";
import { cancelJobs, readJobs, tasksLeft } from "../sweep/engines/job-list.ts";
import { ShardFolder } from "../sweep/shards/shard-folder.ts";
import { rangeOf } from "../sweep/shards/shard-plan.ts";
import { failureText } from "./gather.ts";
import { duration } from "./progress.ts";
import { shellWord } from "./provenance.ts";
import { RESULTS_FILE } from "./results-gathering.ts";

interface SweepArguments {
  readonly directory: string;
  readonly json: boolean;
}

export async function sweepStatus({ directory, json }: SweepArguments): Promise<void> {
  const folder = new ShardFolder(directory);
  const manifest = folder.manifest();
  const jobs = readJobs(folder);
  const finished = folder.finished();
  const shards = manifest.starts.length - 1;
  const sizes = [...finished].map((shard) => rangeOf(manifest.starts, shard));
  const { running, waiting } = jobs === undefined ? NONE : await tasksLeft(jobs);
  const failures = folder.failures();
  const status = {
    schema: "tandem/sweep-status@1",
    ...{ shards, finished: finished.size, failed: failures.length, running, waiting },
    configurations: manifest.configurations,
    finishedConfigurations: sizes.reduce((sum, { first, end }) => sum + end - first, 0),
    shardSeconds: [...finished].reduce((sum, i) => sum + (folder.record(i)?.seconds ?? 0), 0),
    engine: jobs?.engine.kind ?? null,
    gathered: existsSync(folder.path(RESULTS_FILE)),
    jobs: jobs?.jobs ?? [],
    failures,
  };
  if (json) process.stdout.write(`${JSON.stringify(status, null, 1)}\n`);
  else process.stdout.write(`${statusLines(status, directory).join("\n")}\n`);
}

const NONE = { running: 0, waiting: 0 };
const MOST_FAILURES = 5;

function statusLines(
  status: {
    readonly shards: number;
    readonly finished: number;
    readonly running: number;
    readonly waiting: number;
    readonly configurations: number;
    readonly finishedConfigurations: number;
    readonly shardSeconds: number;
    readonly engine: string | null;
    readonly gathered: boolean;
    readonly failures: ReturnType<ShardFolder["failures"]>;
  },
  directory: string,
): readonly string[] {
  const { shards, finished, running, waiting, failures, engine, gathered } = status;
  const left = running + waiting;
  const local = engine === "local";
  const now = local
    ? running > 0
      ? "running on this machine"
      : "nothing runs on this machine"
    : engine === null
      ? "started shard by shard"
      : `${engine}: ${running} running, ${waiting} waiting`;
  const next =
    finished === shards && gathered
      ? `gathered: ${RESULTS_FILE} and its tables are there`
      : finished === shards
        ? `gather them: tandem gather ${shellWord(directory)}`
        : left > 0
          ? `end it: tandem sweep cancel ${shellWord(directory)}`
          : "go on: give the command that started it again";
  return [
    `${finished} of ${plural(shards, "shard")} finished (${status.finishedConfigurations} of ${plural(status.configurations, "configuration")}), ${failures.length} failed; ${now}`,
    ...(finished > 0
      ? [
          `${duration(status.shardSeconds)} of computing, ${(status.shardSeconds / finished).toFixed(1)} s a shard`,
        ]
      : []),
    ...failures.slice(0, MOST_FAILURES).map((one) => `shard ${one.shard}: ${failureText(one)}`),
    next,
  ];
}

export async function sweepCancel({ directory, json }: SweepArguments): Promise<void> {
  const folder = new ShardFolder(directory);
  const manifest = folder.manifest();
  const jobs = readJobs(folder);
  const { running, waiting } = jobs === undefined ? NONE : await tasksLeft(jobs);
  if (jobs !== undefined) await cancelJobs(jobs);
  const kept = folder.finished().size;
  if (json) {
    process.stdout.write(`${JSON.stringify({ cancelled: running + waiting, finished: kept })}\n`);
    return;
  }
  const ended = running + waiting === 0 ? "nothing was running" : "cancelled";
  process.stdout.write(
    `${ended}; ${kept} of ${plural(manifest.starts.length - 1, "shard")} are kept: the same command goes on from there\n`,
  );
}
