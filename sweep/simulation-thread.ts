/** The work of a simulation thread. The sweep comes once, as worker data; requests are numbers. */
import { workerData } from "node:worker_threads";
import type { Part } from "./configuration-result.ts";
import { ConfigurationWork, type SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";

/** Records as lines, in the order of a group, and the time that all took. */
export interface Done {
  readonly lines: readonly string[];
  readonly ms: number;
}

const work = new ConfigurationWork(workerData as SweepPlan);

/** Whole configurations. */
export function group(indices: readonly number[]): Done {
  const start = performance.now();
  const lines = indices.map(whole);
  return { lines, ms: performance.now() - start };
}

/** The record of a whole configuration, as a line. */
export function whole(index: number): string {
  return recordLine(work.whole(index));
}

/** Replications first .. end − 1 of one configuration. */
export function part([index, first, end]: readonly [number, number, number]): Part {
  return work.part(index, first, end);
}
