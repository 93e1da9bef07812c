/**
 * All configurations × replications of a scenario, on the calling thread or on a pool of threads, with
 * progress and resumption.
 */

import { existsSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Piscina } from "piscina";
import { Fault } from "../core/fault.ts";
import type { Part } from "./configuration-result.ts";
import { ConfigurationWork, type SweepPlan } from "./configuration-work.ts";
import { type RecordStore, recordLine } from "./record.ts";
import type { Answer, Done } from "./simulation-thread.ts";

export interface SweepRun {
  /** A scenario whose sweep is checked. */
  readonly plan: SweepPlan;
  /** Configurations `first` .. `end` − 1; default: all. */
  readonly range?: ConfigurationRange;
  readonly threads: number;
  /**
   * The calling thread works alone for so long; others are started only if as much is left then. Without
   * it they are started at once.
   */
  readonly aloneMs?: number;
  /** Configurations that it has already are not run again. */
  readonly store: RecordStore;
  /** Called before a configuration is stored, to finish its other files. */
  readonly beforeStored?: (index: number) => Promise<void>;
  /** Called at first, and whenever a configuration is stored, with how many are, and which it is. */
  readonly onProgress?: (finished: number, index?: number) => void;
  /** Once aborted, work ends within a second; configurations that are stored by then are kept. */
  readonly signal?: AbortSignal | undefined;
}

export interface ConfigurationRange {
  readonly first: number;
  readonly end: number;
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

/** Fills the store with the record of every configuration asked for; not of all after an abort. */
export async function runSweep(run: SweepRun): Promise<void> {
  const { plan, threads, store, signal, aloneMs = 0 } = run;
  run.onProgress?.(store.finished);
  try {
    const alone = threads > 1 && aloneMs > 0 ? await workAlone(run, aloneMs) : null;
    if (alone === "done") return;
    const runner = await sweepRunner(plan, threads, signal);
    try {
      if (alone !== null) await keep(run, alone.index, await inParts(runner, alone, threads));
      await workTogether(run, runner);
    } finally {
      await runner.close();
    }
  } catch (error) {
    // After an abort, work that was cut short fails.
    if (signal?.aborted !== true) throw error;
  }
}

/** Works step by step, so that an abort is heard: it rejects with the signal's reason. */
export async function inTurns<S, T>(
  steps: Generator<S, T, void>,
  signal: AbortSignal | undefined,
  onStep?: (step: S) => void,
): Promise<T> {
  try {
    for (;;) {
      await turn();
      signal?.throwIfAborted();
      const { done, value } = steps.next();
      if (done === true) return value;
      onStep?.(value);
    }
  } finally {
    steps.return(undefined as T);
  }
}

async function workTogether(run: SweepRun, runner: SweepRunner): Promise<void> {
  const { threads, signal } = run;
  const open = openIn(run, runner.work.count);
  if (threads <= 1 || open.length >= LEAST_PER_THREAD * threads) {
    await runner.whole(open, (index, line) => keep(run, index, line));
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
function openIn({ store, range }: SweepRun, count: number): number[] {
  const { first, end } = range ?? { first: 0, end: count };
  const open: number[] = [];
  for (let index = first; index < end; index++) if (!store.has(index)) open.push(index);
  return open;
}

async function keep({ store, ...run }: SweepRun, index: number, line: string): Promise<void> {
  await run.beforeStored?.(index);
  store.add(index, line);
  run.onProgress?.(store.finished, index);
}

/** Ends with the begun configuration once `ms` are over and, at the pace so far, as much is left. */
async function workAlone(run: SweepRun, ms: number): Promise<Begun | "done"> {
  const { work, part } = await sweepRunner(run.plan, 1, run.signal);
  const open = openIn(run, work.count);
  const start = performance.now();
  let replications = 0;
  for (const [place, index] of open.entries()) {
    const parts: Part[] = [];
    let wanted = work.replications(index);
    while (parts.length < wanted) {
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

/** Keeps the record of one configuration, a line. */
type Keep = (index: number, line: string) => Promise<void>;

interface SweepRunner {
  readonly work: ConfigurationWork;
  /** Runs whole configurations, and has each kept, one after the other; until all are, or the abort. */
  whole(open: readonly number[], keep: Keep): Promise<void>;
  /** Replications first .. end − 1 of one configuration. */
  part(index: number, first: number, end: number): Promise<Part>;
  close(): Promise<void>;
}

/** Results do not depend on `threads`. One thread means the caller's own. */
async function sweepRunner(
  plan: SweepPlan,
  threads: number,
  signal: AbortSignal | undefined,
): Promise<SweepRunner> {
  return threads <= 1 ? onThisThread(plan, signal) : onThreads(plan, threads, signal);
}

function onThisThread(plan: SweepPlan, signal: AbortSignal | undefined): SweepRunner {
  const work = new ConfigurationWork(plan);
  return {
    work,
    part: (...range) => inTurns(work.part(...range), signal),
    whole: async (open, keep) => {
      for (const index of open)
        await keep(index, recordLine(await inTurns(work.whole(index), signal)));
    },
    close: async () => undefined,
  };
}

/** From an abort to the end of threads: small configurations at work come to their ends. */
const LAST_WORK_MS = 200;

async function onThreads(
  plan: SweepPlan,
  threads: number,
  signal: AbortSignal | undefined,
): Promise<SweepRunner> {
  const { Piscina } = await import("piscina");
  const pool: Piscina = new Piscina({
    filename: workerFile(),
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: GROUPS_PER_THREAD,
    workerData: plainPlan(plan),
  });
  const end = (): void => void setTimeout(() => pool.destroy(), LAST_WORK_MS).unref();
  signal?.addEventListener("abort", end, { once: true });
  return {
    work: new ConfigurationWork(plan),
    whole: (open, keep) => handOut(pool, threads, open, keep, signal),
    part: async (...range) => answerOf<Part>(await pool.run(range, { name: "part" })),
    close: () => {
      signal?.removeEventListener("abort", end);
      return pool.destroy();
    },
  };
}

/** Threads load the schedulers of the user by themselves, from their texts. */
function plainPlan({ loaded: { own: _, ...loaded }, ...plan }: SweepPlan): SweepPlan {
  return { ...plan, loaded };
}

/** A Fault loses its class between threads. */
function answerOf<T>(answer: Answer<T>): T {
  if ("value" in answer) return answer.value;
  const { code, message, hint } = answer.fault;
  throw new Fault(code, message, hint === undefined ? {} : { hint });
}

/** Small configurations go to threads in groups that take about so long. */
const GROUP_MS = 40;
const LARGEST_GROUP = 64;
/** Groups queued for each thread, so that none waits for this one. */
const GROUPS_PER_THREAD = 4;

/** Lanes hand out groups; each waits until its results are kept, so that few wait in memory. */
async function handOut(
  pool: Piscina,
  threads: number,
  configurations: readonly number[],
  keep: Keep,
  signal: AbortSignal | undefined,
): Promise<void> {
  const lanes = GROUPS_PER_THREAD * threads;
  const open = [...configurations];
  let size = 1;
  let ended = false;
  let turn = Promise.resolve();
  const keepAll = async (group: readonly number[], lines: readonly string[]): Promise<void> => {
    for (const [i, index] of group.entries()) await keep(index, lines[i]);
  };
  const lane = async (): Promise<void> => {
    while (open.length > 0 && !ended && signal?.aborted !== true) {
      // Fewer towards the end, so that all threads end together.
      const group = open.splice(0, Math.min(size, Math.ceil(open.length / lanes)));
      const { lines, ms } = answerOf<Done>(await pool.run(group, { name: "group" }));
      size = Math.min(LARGEST_GROUP, Math.max(1, Math.round((GROUP_MS * group.length) / ms)));
      turn = turn.then(() => keepAll(group, lines));
      await turn;
    }
  };
  const started = Array.from({ length: lanes }, lane);
  try {
    await Promise.all(started);
  } finally {
    ended = true;
    await Promise.allSettled(started);
  }
}

/** Threads need compiled code: beside this file, or in dist/ when this runs from source. */
function workerFile(): string {
  const beside = fileURLToPath(new URL("./worker.js", import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL("../dist/sweep/worker.js", import.meta.url));
}
