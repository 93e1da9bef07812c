/** The work of a simulation thread. The sweep comes once, as worker data; tasks are numbers. */
import { workerData } from "node:worker_threads";
import { ConfigurationWork, type Part, type SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";

const work = new ConfigurationWork(workerData as SweepPlan);

/** The records of whole configurations, as lines. */
export function whole(indices: readonly number[]): readonly string[] {
  return indices.map((index) => {
    const parts: Part[] = [];
    let wanted = work.replications(index);
    for (let have = 0; have < wanted; wanted = work.wanted(index, parts)) {
      parts.push(work.part(index, have, wanted));
      have = wanted;
    }
    return recordLine(work.record(index, parts));
  });
}

export function part([index, first, end]: readonly [number, number, number]): Part {
  return work.part(index, first, end);
}
