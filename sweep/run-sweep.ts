/** All configurations × replications of a scenario, in parallel, with progress and resumption. */
import type { Part, SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";
import type { RecordStore } from "./record-store.ts";
import { type SweepRunner, sweepRunner } from "./sweep-runner.ts";

export interface SweepRun {
  /** A scenario whose sweep is checked. */
  readonly plan: SweepPlan;
  readonly threads: number;
  /** What it has already is not run again. */
  readonly store: RecordStore;
  /** Called before a configuration is stored, to finish what else is kept of it. */
  readonly beforeStored?: (index: number) => Promise<void>;
  /** Called whenever a configuration is finished, with how many are. */
  readonly onProgress?: (finished: number) => void;
  /** Once aborted, no new work is started. */
  readonly signal?: AbortSignal;
}

/** Below so many configurations a thread, the replications of each are spread over the threads. */
const LEAST_PER_THREAD = 4;
/** Small configurations go to a thread in groups that take about so long. */
const GROUP_MS = 40;
const LARGEST_GROUP = 64;

/** Fills the store with every configuration's record; not with all when the signal was aborted. */
export async function runSweep({ plan, threads, store, ...run }: SweepRun): Promise<void> {
  run.onProgress?.(store.finished);
  const runner = await sweepRunner(plan, threads);
  const { count } = runner.work;
  const open = count - store.finished;
  const together = threads <= 1 || open >= LEAST_PER_THREAD * threads;
  // Two lanes a thread keep every thread busy while results are gathered.
  const lanes = threads <= 1 ? 1 : threads * 2;
  const queue = new Queue(store, count, lanes);
  const lane = async (): Promise<void> => {
    let msEach = Number.POSITIVE_INFINITY;
    while (run.signal?.aborted !== true) {
      const indices = queue.take(together && threads > 1 ? groupSize(msEach) : 1);
      if (indices.length === 0) return;
      const start = performance.now();
      const lines = together
        ? await runner.whole(indices)
        : [await inParts(runner, indices[0], threads)];
      msEach = (performance.now() - start) / indices.length;
      for (const [i, line] of lines.entries()) {
        await run.beforeStored?.(indices[i]);
        store.add(indices[i], line);
        run.onProgress?.(store.finished);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    await runner.close();
  }
}

function groupSize(msEach: number): number {
  return Math.min(LARGEST_GROUP, Math.max(1, Math.round(GROUP_MS / msEach)));
}

/** One configuration's replications, spread over all threads. */
async function inParts(runner: SweepRunner, index: number, threads: number): Promise<string> {
  const parts: Part[] = [];
  let wanted = runner.work.replications(index);
  for (let have = 0; have < wanted; wanted = runner.work.wanted(index, parts)) {
    const size = Math.ceil((wanted - have) / threads);
    const round: Promise<Part>[] = [];
    for (let first = have; first < wanted; first += size) {
      round.push(runner.part(index, first, Math.min(wanted, first + size)));
    }
    parts.push(...(await Promise.all(round)));
    have = wanted;
  }
  return recordLine(runner.work.record(index, parts));
}

/** The configurations still to run, in order. */
class Queue {
  readonly #store: RecordStore;
  readonly #count: number;
  readonly #lanes: number;
  #next = 0;
  #left: number;

  constructor(store: RecordStore, count: number, lanes: number) {
    this.#store = store;
    this.#count = count;
    this.#lanes = lanes;
    this.#left = count - store.finished;
  }

  /** At most `most` configurations; fewer towards the end, so that all lanes end together. */
  take(most: number): readonly number[] {
    const size = Math.min(most, Math.ceil(this.#left / (2 * this.#lanes)));
    const indices: number[] = [];
    while (indices.length < size && this.#next < this.#count) {
      if (!this.#store.has(this.#next)) indices.push(this.#next);
      this.#next++;
    }
    this.#left -= indices.length;
    return indices;
  }
}
