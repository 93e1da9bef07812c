/** All configurations × replications of a scenario, in parallel, with progress and resumption. */
import type { Part, SweepPlan } from "./configuration-work.ts";
import { recordLine } from "./record.ts";
import type { RecordStore } from "./record-store.ts";
import { type SweepRunner, sweepRunner } from "./sweep-runner.ts";

export interface SweepRun {
  /** A scenario whose sweep is checked. */
  readonly plan: SweepPlan;
  readonly threads: number;
  /**
   * The calling thread works alone for so long; others are started only if as much is left then. Without
   * it they are started at once.
   */
  readonly aloneMs?: number;
  /** What it has already is not run again. */
  readonly store: RecordStore;
  /** Called before a configuration is stored, to finish what else is kept of it. */
  readonly beforeStored?: (index: number) => Promise<void>;
  /** Called once a configuration is stored. */
  readonly afterStored?: () => Promise<void>;
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

/** A configuration of which some replications are done, one a part, before the others are given out. */
interface Begun {
  readonly index: number;
  readonly parts: readonly Part[];
  /** How many replications its next round ends with. */
  readonly wanted: number;
}

/** Fills the store with every configuration's record; not with all when the signal was aborted. */
export async function runSweep(run: SweepRun): Promise<void> {
  const { plan, threads, store, aloneMs = 0 } = run;
  run.onProgress?.(store.finished);
  const alone = threads > 1 && aloneMs > 0 ? await workAlone(run, aloneMs) : null;
  if (alone === "done") return;
  const runner = await sweepRunner(plan, threads);
  try {
    if (alone !== null) await keep(run, alone.index, await inParts(runner, alone, threads));
    await workTogether(run, runner);
  } finally {
    await runner.close();
  }
}

async function workTogether(run: SweepRun, runner: SweepRunner): Promise<void> {
  const { threads, store } = run;
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
        : [await inParts(runner, toBegin(runner, indices[0]), threads)];
      msEach = (performance.now() - start) / indices.length;
      for (const [i, line] of lines.entries()) await keep(run, indices[i], line);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function keep({ store, ...run }: SweepRun, index: number, line: string): Promise<void> {
  await run.beforeStored?.(index);
  store.add(index, line);
  run.onProgress?.(store.finished);
  await run.afterStored?.();
}

/** Ends with what is begun once `ms` are over and, at the pace so far, as much is left. */
async function workAlone(run: SweepRun, ms: number): Promise<Begun | "done"> {
  const { work, part } = await sweepRunner(run.plan, 1);
  const queue = new Queue(run.store, work.count, 1);
  const start = performance.now();
  let replications = 0;
  for (let [index] = queue.take(1); index !== undefined; [index] = queue.take(1)) {
    const parts: Part[] = [];
    let wanted = work.replications(index);
    while (parts.length < wanted) {
      if (run.signal?.aborted === true) return "done";
      const spent = performance.now() - start;
      const left = wanted * (1 + queue.left) - parts.length;
      if (spent > ms && (spent / replications) * left > ms) return { index, parts, wanted };
      parts.push(await part(index, parts.length, parts.length + 1));
      replications++;
      if (parts.length === wanted) wanted = work.wanted(index, parts);
    }
    await keep(run, index, recordLine(work.record(index, parts)));
  }
  return "done";
}

function toBegin({ work }: SweepRunner, index: number): Begun {
  return { index, parts: [], wanted: work.replications(index) };
}

function groupSize(msEach: number): number {
  return Math.min(LARGEST_GROUP, Math.max(1, Math.round(GROUP_MS / msEach)));
}

/** The rest of one configuration's replications, spread over all threads. */
async function inParts(runner: SweepRunner, begun: Begun, threads: number): Promise<string> {
  const { index } = begun;
  const parts: Part[] = [...begun.parts];
  let { wanted } = begun;
  for (let have = parts.length; have < wanted; wanted = runner.work.wanted(index, parts)) {
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

  get left(): number {
    return this.#left;
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
