/**
 * All configurations × replications of a scenario, on the calling thread or on a pool of threads, with
 * progress and resumption.
 */

import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Piscina } from "piscina";
import { builtFile } from "../build/version.ts";
import { Fault } from "../engine/basics/fault.ts";
import { HUNG_HINT } from "../schedulers/own-calls.ts";
import type { Part } from "./configuration-result.ts";
import { ConfigurationWork, type SweepPlan } from "./configuration-work.ts";
import { hangOfThreads } from "./hung-threads.ts";
import { inLanes } from "./lanes.ts";
import { type RecordStore, recordLine } from "./records.ts";
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
  const { threads, store, signal, aloneMs = 0 } = run;
  run.onProgress?.(store.finished);
  const work = new ConfigurationWork(run.plan);
  const alone = threads > 1 ? aloneMs : Number.POSITIVE_INFINITY;
  try {
    const begun = alone > 0 ? await workAlone(run, work, alone) : null;
    if (begun !== "done") await workOnThreads(run, work, begun);
  } catch (error) {
    // After an abort, work that was cut short fails, with a Fault where it hung.
    const isSaid = error instanceof Fault && error.code === "interrupted";
    if (signal?.aborted !== true || isSaid) throw error;
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

/** From an abort to the end of threads: small configurations at work come to their ends. */
const LAST_WORK_MS = 200;

async function workOnThreads(
  run: SweepRun,
  work: ConfigurationWork,
  begun: Begun | null,
): Promise<void> {
  const { plan, store, threads, signal } = run;
  const pool = await openPool(plan, threads);
  let hang: string | undefined;
  const end = async (): Promise<void> => {
    await pause(LAST_WORK_MS, undefined, { ref: false });
    if (plan.loaded.schedulerFiles !== undefined) hang = await hangOfThreads();
    await pool.destroy();
  };
  signal?.addEventListener("abort", end, { once: true });
  try {
    if (begun !== null) await keep(run, begun.index, await inParts(pool, work, begun, threads));
    await workTogether(run, work, pool);
  } catch (error) {
    if (hang === undefined) throw error;
    const kept = `${store.finished} of ${work.count} configurations kept`;
    throw new Fault("interrupted", `interrupted: ${kept}; ${hang}`, { hint: HUNG_HINT });
  } finally {
    signal?.removeEventListener("abort", end);
    await pool.destroy();
  }
}

async function workTogether(run: SweepRun, work: ConfigurationWork, pool: Piscina): Promise<void> {
  const { threads, signal } = run;
  const open = openIn(run, work.count);
  if (open.length >= LEAST_PER_THREAD * threads) return handOut(pool, open, run);
  // Two lanes a thread keep every thread busy while results are gathered.
  const whole = async (index: number): Promise<void> => {
    const begun = { index, parts: [], wanted: work.replications(index) };
    await keep(run, index, await inParts(pool, work, begun, threads));
  };
  await inLanes(open, 2 * threads, whole, signal);
}

/** The configurations still to run, in order. */
function openIn({ store, range }: SweepRun, count: number): number[] {
  const { first, end } = range ?? { first: 0, end: count };
  const open: number[] = [];
  for (let index = first; index < end; index++) if (!store.has(index)) open.push(index);
  return open;
}

/** Keeps the record of one configuration, a line. */
async function keep({ store, ...run }: SweepRun, index: number, line: string): Promise<void> {
  await run.beforeStored?.(index);
  store.add(index, line);
  run.onProgress?.(store.finished, index);
}

/** Ends with the begun configuration once `ms` are over and, at the pace so far, as much is left. */
async function workAlone(
  run: SweepRun,
  work: ConfigurationWork,
  ms: number,
): Promise<Begun | "done"> {
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
      const steps = work.part(index, parts.length, parts.length + 1);
      parts.push(await inTurns(steps, run.signal));
      replications++;
      if (parts.length === wanted) wanted = work.wanted(index, parts);
    }
    await keep(run, index, recordLine(work.record(index, parts)));
  }
  return "done";
}

/** The rest of one configuration's replications, spread over all threads. */
async function inParts(
  pool: Piscina,
  work: ConfigurationWork,
  begun: Begun,
  threads: number,
): Promise<string> {
  const { index } = begun;
  const parts: Part[] = [...begun.parts];
  let { wanted } = begun;
  for (let have = parts.length; have < wanted; wanted = work.wanted(index, parts)) {
    const size = Math.ceil((wanted - have) / threads);
    const round: Promise<Answer<Part>>[] = [];
    for (let first = have; first < wanted; first += size) {
      const range = [index, first, Math.min(wanted, first + size)];
      round.push(pool.run(range, { name: "part" }));
    }
    parts.push(...(await Promise.all(round)).map(answerOf));
    have = wanted;
  }
  return recordLine(work.record(index, parts));
}

/** Results do not depend on the number of threads. */
async function openPool(plan: SweepPlan, threads: number): Promise<Piscina> {
  const { Piscina } = await import("piscina");
  return new Piscina({
    // Threads need compiled code.
    filename: fileURLToPath(builtFile("bundle/simulation-thread.js")),
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: GROUPS_PER_THREAD,
    workerData: plainPlan(plan),
    // Else the pool loads the file by `require`, and Node 20 aborts where a thread is ended meanwhile.
    execArgv: ["--no-experimental-require-module"],
  });
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

/** Each lane waits until its results are kept, so that few wait in memory. */
async function handOut(pool: Piscina, open: number[], run: SweepRun): Promise<void> {
  const lanes = GROUPS_PER_THREAD * run.threads;
  let size = 1;
  let turn = Promise.resolve();
  const keepAll = async (group: readonly number[], lines: readonly string[]): Promise<void> => {
    for (const [i, index] of group.entries()) await keep(run, index, lines[i]);
  };
  function* groups(): Generator<readonly number[]> {
    // Fewer towards the end, so that all threads end together.
    while (open.length > 0) yield open.splice(0, Math.min(size, Math.ceil(open.length / lanes)));
  }
  const handOver = async (group: readonly number[]): Promise<void> => {
    const { lines, ms } = answerOf<Done>(await pool.run(group, { name: "group" }));
    size = Math.min(LARGEST_GROUP, Math.max(1, Math.round((GROUP_MS * group.length) / ms)));
    turn = turn.then(() => keepAll(group, lines));
    await turn;
  };
  await inLanes(groups(), lanes, handOver, run.signal);
}
