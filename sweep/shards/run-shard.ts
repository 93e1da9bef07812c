/** One shard of a sweep, in this process. */
import { rmSync } from "node:fs";
import { Fault } from "../../core/fault.ts";
import type { SweepPlan } from "../configuration-work.ts";
import { moveRequests, RequestWriter } from "../request-files.ts";
import { ResultStore } from "../result-store.ts";
import { runSweep } from "../run-sweep.ts";
import type { Manifest, ShardFolder } from "./shard-folder.ts";
import { rangeOf } from "./shard-plan.ts";

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
      ...{ plan, range, threads, store, signal },
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

function* linesOf(store: ResultStore, first: number, end: number): Generator<string> {
  for (let index = first; index < end; index++) yield store.line(index);
}
