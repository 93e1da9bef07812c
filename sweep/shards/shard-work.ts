/** Shards as work: a sweep is cut into ranges of about equal expected work, and one of them is run in this process. */

import { rmSync } from "node:fs";
import { expectedRequests } from "../../engine/arrivals/arrival-source.ts";
import { Fault } from "../../engine/basics/fault.ts";
import type { Sweep } from "../../scenario/expand-sweep.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { ConfigurationWork, type SweepPlan } from "../configuration-work.ts";
import { linesOf, ResultStore } from "../records.ts";
import { moveRequests, RequestWriter } from "../request-files.ts";
import { type ConfigurationRange, inTurns, runSweep } from "../run-sweep.ts";
import type { Manifest, ShardFolder } from "./shard-folder.ts";

/** A replication's fixed cost, as events: compiling the document and summing up. */
const FIXED_EVENTS = 2000;

/** Expected work of each configuration, in events; the same on every machine. */
export function expectedWork({ count, at }: Sweep): readonly number[] {
  return Array.from({ length: count }, (_, index) => {
    const { document } = at(index);
    return document.run.replications * (FIXED_EVENTS + expectedEvents(document));
  });
}

/** Events of one replication: an arrival and a finish for each task of its longest pipeline. */
export function expectedEvents({ pipelines, workload }: ScenarioDocument): number {
  const tasks = Object.values(pipelines).map((pipeline) => Object.keys(pipeline.tasks).length);
  return expectedRequests(workload) * 2 * Math.max(...tasks);
}

/**
 * The first configuration of each shard, and at last the number of configurations. Each shard has at least
 * one. Throws Fault("usage") for more shards than configurations.
 */
export function shardStarts(work: readonly number[], shards: number): readonly number[] {
  const count = work.length;
  if (!Number.isInteger(shards) || shards < 1 || shards > count) {
    throw new Fault("usage", `${shards} shards of ${count} configurations`, {
      hint: `a shard is at least one configuration: give a whole number from 1 to ${count}`,
    });
  }
  const total = work.reduce((sum, one) => sum + one, 0);
  const starts = [0];
  let before = 0;
  for (let index = 0; index < count && starts.length < shards; index++) {
    const due = (total * starts.length) / shards;
    const othersNeed = shards - starts.length;
    const mustStart = count - index === othersNeed;
    if (index > (starts.at(-1) as number) && (before >= due || mustStart)) starts.push(index);
    before += work[index];
  }
  return [...starts, count];
}

export function rangeOf(starts: readonly number[], shard: number): ConfigurationRange {
  return { first: starts[shard], end: starts[shard + 1] };
}

/** Simulated before the pace is taken, so that the code is compiled; and for the pace. */
const WARM_UP_MS = 300;
const MEASURED_MS = 700;

/** Seconds that one thread of this machine needs for the whole sweep, from a second or more of trial. */
export async function estimatedSeconds(
  { requestsIn: _, ...plan }: SweepPlan,
  work: readonly number[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const trial = new ConfigurationWork(plan);
  // Sweeps often go from light to heavy.
  const places = [work.length >> 1, 0, work.length - 1];
  const total = work.reduce((sum, one) => sum + one, 0);
  const start = performance.now();
  let measuredFrom = start;
  let done = 0;
  for (let turn = 0; ; turn++) {
    const index = places[turn % places.length];
    await inTurns(trial.part(index, 0, 1), signal);
    done += work[index] / trial.replications(index);
    const now = performance.now();
    const warm = measuredFrom > start;
    if (now - start >= WARM_UP_MS + MEASURED_MS)
      return (total * (now - measuredFrom)) / done / 1000;
    if (warm || now - start < WARM_UP_MS) continue;
    measuredFrom = now;
    done = 0;
  }
}

/** So many shards that each takes about `secondsEach`, or longer. */
export function shardsFor(seconds: number, secondsEach: number, configurations: number): number {
  return Math.min(configurations, Math.max(1, Math.floor(seconds / secondsEach)));
}

export interface ShardRun {
  readonly folder: ShardFolder;
  readonly manifest: Manifest;
  readonly shard: number;
  readonly plan: SweepPlan;
  readonly threads: number;
  /** Called with how many of the shard's configurations are finished. */
  readonly onProgress?: (finished: number) => void;
  readonly signal: AbortSignal;
}

/** Nothing is done for a shard that is finished. Rejects with Fault("interrupted") after an abort. */
export async function runShard(run: ShardRun): Promise<void> {
  const { folder, manifest, shard } = run;
  if (folder.finished().has(shard)) return;
  const attempt = folder.attempt(shard);
  const store = ResultStore.open(attempt, manifest.key, manifest.configurations);
  try {
    await runInto(run, store, attempt);
  } finally {
    store.close();
    rmSync(attempt, { recursive: true, force: true });
  }
}

async function runInto(run: ShardRun, store: ResultStore, attempt: string): Promise<void> {
  const { folder, manifest, shard, threads, signal, onProgress } = run;
  const range = rangeOf(manifest.starts, shard);
  const { first, end } = range;
  const startedAt = new Date().toISOString();
  const start = performance.now();
  const wanted = run.plan.requestsIn !== undefined;
  const plan = { ...run.plan, requestsIn: wanted ? attempt : undefined };
  const pipelines = Object.keys(plan.loaded.document.pipelines);
  const requests = wanted ? await RequestWriter.open(attempt, pipelines) : null;
  try {
    await runSweep({
      plan,
      range,
      threads,
      store,
      signal,
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(requests === null ? {} : { beforeStored: (index) => requests.convert(index) }),
    });
  } finally {
    requests?.close();
  }
  if (store.finished < end - first) {
    throw new Fault("interrupted", `shard ${shard} was interrupted`, {
      hint: "it starts again from its beginning",
    });
  }
  if (wanted) moveRequests(attempt, folder.directory);
  const seconds = (performance.now() - start) / 1000;
  const { program } = manifest.key;
  const record = { shard, first, end, program, startedAt, seconds };
  folder.keep({ schema: "tandem/shard@1", ...record }, attempt, linesOf(store, first, end));
}
