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
  /** Called whenever a configuration is stored, with how many are. */
  readonly onProgress?: (finished: number) => void;
  /** Once aborted, no new work is started. */
  readonly signal?: AbortSignal;
}

/** Below so many configurations a thread, the replications of each are spread over the threads. */
const LEAST_PER_THREAD = 4;

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
  const { threads, store, signal } = run;
  const open = openIn(store, runner.work.count);
  if (threads <= 1 || open.length >= LEAST_PER_THREAD * threads) {
    await runner.whole(open, (index, line) => keep(run, index, line), signal);
    return;
  }
  // Two lanes a thread keep every thread busy while results are gathered.
  const lane = async (): Promise<void> => {
    for (let index = open.shift(); index !== undefined; index = open.shift()) {
      if (signal?.aborted === true) return;
      await keep(run, index, await inParts(runner, toBegin(runner, index), threads));
    }
  };
  await Promise.all(Array.from({ length: 2 * threads }, lane));
}

/** The configurations still to run, in order. */
function openIn(store: RecordStore, count: number): number[] {
  const open: number[] = [];
  for (let index = 0; index < count; index++) if (!store.has(index)) open.push(index);
  return open;
}

async function keep({ store, ...run }: SweepRun, index: number, line: string): Promise<void> {
  await run.beforeStored?.(index);
  store.add(index, line);
  run.onProgress?.(store.finished);
}

/** Ends with what is begun once `ms` are over and, at the pace so far, as much is left. */
async function workAlone(run: SweepRun, ms: number): Promise<Begun | "done"> {
  const { work, part } = await sweepRunner(run.plan, 1);
  const open = openIn(run.store, work.count);
  const start = performance.now();
  let replications = 0;
  for (const [place, index] of open.entries()) {
    const parts: Part[] = [];
    let wanted = work.replications(index);
    while (parts.length < wanted) {
      if (run.signal?.aborted === true) return "done";
      const spent = performance.now() - start;
      const left = wanted * (open.length - place) - parts.length;
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
