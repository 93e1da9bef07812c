/** The work of a simulation thread. The sweep comes once, as worker data; requests are numbers. */
import { type MessagePort, workerData } from "node:worker_threads";
import type { Part } from "./configuration-result.ts";
import { ConfigurationWork, type SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";
import { SharedQueue, type SharedState } from "./shared-queue.ts";

/** Finished configurations, and their records as lines. */
export interface Done {
  readonly indices: Int32Array;
  readonly lines: readonly string[];
}

export interface Share {
  readonly state: SharedState;
  readonly takers: number;
  /** Receives finished configurations, and `null` at the end. */
  readonly port: MessagePort;
}

const work = new ConfigurationWork(workerData as SweepPlan);

/** Small configurations are taken in groups that take about so long. */
const GROUP_MS = 40;
const LARGEST_GROUP = 64;

/** Runs configurations of a queue until it has no more. */
export function share({ state, takers, port }: Share): void {
  const queue = new SharedQueue(state, takers);
  let size = 1;
  for (let indices = queue.take(size); indices.length > 0; indices = queue.take(size)) {
    const start = performance.now();
    const lines = Array.from(indices, whole);
    port.postMessage({ indices, lines } satisfies Done);
    const msEach = (performance.now() - start) / indices.length;
    size = Math.min(LARGEST_GROUP, Math.max(1, Math.round(GROUP_MS / msEach)));
  }
  port.postMessage(null);
  port.close();
}

/** The record of a whole configuration, as a line. */
export function whole(index: number): string {
  return recordLine(work.whole(index));
}

/** Replications first .. end − 1 of one configuration. */
export function part([index, first, end]: readonly [number, number, number]): Part {
  return work.part(index, first, end);
}
