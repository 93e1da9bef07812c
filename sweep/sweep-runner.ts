/** Runs configurations of a sweep: on the calling thread, or on a pool of threads. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import type { Piscina } from "piscina";
import { ConfigurationWork, type Part, type SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";
import { SharedQueue, sharedState } from "./shared-queue.ts";
import type { Done, Share } from "./simulation-thread.ts";

/** Keeps the record of one configuration, a line. */
export type Keep = (index: number, line: string) => Promise<void>;

export interface SweepRunner {
  readonly work: ConfigurationWork;
  /** Runs whole configurations, and has each kept, one after the other; until all are, or the abort. */
  whole(open: readonly number[], keep: Keep, signal?: AbortSignal): Promise<void>;
  /** Replications first .. end − 1 of one configuration. */
  part(index: number, first: number, end: number): Promise<Part>;
  close(): Promise<void>;
}

/** Results do not depend on `threads`. One thread means the caller's own. */
export async function sweepRunner(plan: SweepPlan, threads: number): Promise<SweepRunner> {
  return threads <= 1 ? onThisThread(plan) : onThreads(plan, threads);
}

function onThisThread(plan: SweepPlan): SweepRunner {
  const work = new ConfigurationWork(plan);
  const part = async (index: number, first: number, end: number): Promise<Part> => {
    // Lets signals and the progress bar have their turn.
    await new Promise((resolve) => setImmediate(resolve));
    return work.part(index, first, end);
  };
  return {
    work,
    part,
    whole: async (open, keep, signal) => {
      for (const index of open) {
        if (signal?.aborted === true) return;
        const parts: Part[] = [];
        let wanted = work.replications(index);
        for (let r = 0; r < wanted; wanted = work.wanted(index, parts)) {
          for (; r < wanted; r++) parts.push(await part(index, r, r + 1));
        }
        await keep(index, recordLine(work.record(index, parts)));
      }
    },
    close: async () => undefined,
  };
}

async function onThreads(plan: SweepPlan, threads: number): Promise<SweepRunner> {
  const { Piscina } = await import("piscina");
  const pool: Piscina = new Piscina({
    filename: workerFile(),
    minThreads: threads,
    maxThreads: threads,
    workerData: plan,
  });
  return {
    work: new ConfigurationWork(plan),
    whole: (open, keep, signal) => shareOut(pool, threads, open, keep, signal),
    part: (...range) => pool.run(range, { name: "part" }),
    close: () => pool.destroy(),
  };
}

/** Every thread takes from one queue by itself, so that none waits for this one. */
async function shareOut(
  pool: Piscina,
  threads: number,
  open: readonly number[],
  keep: Keep,
  signal: AbortSignal | undefined,
): Promise<void> {
  const state = sharedState(open);
  const queue = new SharedQueue(state, threads);
  const close = (): void => queue.close();
  signal?.addEventListener("abort", close);
  let turn = Promise.resolve();
  const keepAll = async ({ indices, lines }: Done): Promise<void> => {
    for (const [i, index] of indices.entries()) {
      await keep(index, lines[i]);
      queue.kept();
    }
  };
  const thread = async (): Promise<void> => {
    const { port1: here, port2: port } = new MessageChannel();
    const ended = new Promise<void>((resolve) => {
      here.on("message", (done: Done | null) => {
        if (done === null) return resolve();
        turn = turn.then(() => keepAll(done));
        // Else threads would wait for room for ever.
        turn.catch(close);
      });
    });
    const share: Share = { state, takers: threads, port };
    try {
      await pool.run(share, { name: "share", transferList: [port] });
      await ended;
      await turn;
    } finally {
      here.close();
    }
  };
  try {
    if (signal?.aborted !== true) await Promise.all(Array.from({ length: threads }, thread));
  } finally {
    queue.close();
    signal?.removeEventListener("abort", close);
  }
}

/** Threads need compiled code: beside this file, or in dist/ when this runs from source. */
function workerFile(): string {
  const beside = fileURLToPath(new URL("./worker.js", import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL("../dist/sweep/worker.js", import.meta.url));
}
