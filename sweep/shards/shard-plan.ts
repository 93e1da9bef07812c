/** How a sweep is cut into shards: consecutive configurations, of about equal expected work. */

import { expectedRequests } from "../../core/arrivals/arrival-source.ts";
import { Fault } from "../../core/fault.ts";
import type { ScenarioDocument } from "../../core/scenario/schema.ts";
import type { Sweep } from "../../core/scenario/sweep.ts";
import { ConfigurationWork, type SweepPlan } from "../configuration-work.ts";
import { type ConfigurationRange, inTurns } from "../run-sweep.ts";

/** A replication's fixed cost, as events: compiling the document and summing up. */
const FIXED_EVENTS = 2000;

/** Expected work of each configuration, in events; the same on every machine. */
export function expectedWork({ count, at }: Sweep): readonly number[] {
  return Array.from({ length: count }, (_, index) => {
    const { document } = at(index);
    return document.run.replications * (FIXED_EVENTS + expectedEvents(document));
  });
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

/** Whole numbers in rising order as text, as `0-4,7`. */
export function listText(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let end = i;
    while (numbers[end + 1] === numbers[end] + 1) end++;
    parts.push(end === i ? `${numbers[i]}` : `${numbers[i]}-${numbers[end]}`);
    i = end + 1;
  }
  return parts.join(",");
}

/** The numbers of `listText`. Throws Fault("usage") for any other text. */
export function parseList(text: string): readonly number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first)) {
      throw new Fault("usage", `"${text}" is no list of shards`, { hint: "for example 0-9,12" });
    }
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  });
}

/** In order, `most` at a time. */
export function chunksOf<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const chunks: (readonly T[])[] = [];
  for (let from = 0; from < all.length; from += most) chunks.push(all.slice(from, from + most));
  return chunks;
}

/** Events of one replication: an arrival and a finish for each task of its longest pipeline. */
export function expectedEvents({ pipelines, workload }: ScenarioDocument): number {
  const tasks = Object.values(pipelines).map((pipeline) => Object.keys(pipeline.tasks).length);
  return expectedRequests(workload) * 2 * Math.max(...tasks);
}
