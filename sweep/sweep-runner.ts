/** Runs configurations of a sweep: on the calling thread, or on a pool of threads. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Piscina } from "piscina";
import { ConfigurationWork, type Part, type SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";

export interface SweepRunner {
  readonly work: ConfigurationWork;
  /** The records of whole configurations, as lines in the order asked for. */
  whole(indices: readonly number[]): Promise<readonly string[]>;
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
    whole: async (indices) => {
      const lines: string[] = [];
      for (const index of indices) {
        const parts: Part[] = [];
        let wanted = work.replications(index);
        for (let r = 0; r < wanted; wanted = work.wanted(index, parts)) {
          for (; r < wanted; r++) parts.push(await part(index, r, r + 1));
        }
        lines.push(recordLine(work.record(index, parts)));
      }
      return lines;
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
    whole: (indices) => pool.run(indices, { name: "whole" }),
    part: (...range) => pool.run(range, { name: "part" }),
    close: () => pool.destroy(),
  };
}

/** Threads need compiled code: beside this file, or in dist/ when this runs from source. */
function workerFile(): string {
  const beside = fileURLToPath(new URL("./worker.js", import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL("../dist/sweep/worker.js", import.meta.url));
}
