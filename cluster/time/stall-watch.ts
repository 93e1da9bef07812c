/**
 * Stalls of this machine, in which a hypervisor takes a processor away. A thread reads the clock every 5 ms and
 * records each jump beyond `LEAST_US`, less its wait for a processor by the kernel's account, which is due to
 * load. Cost: 1 to 2% of a processor.
 */
import { openSync, readSync } from "node:fs";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { entryPoint } from "../processes/link.ts";
import { monotonicUs } from "./clock.ts";

/** Stalls of the processors that ran the watching threads. */
export const NO_STALLS = {
  seconds: 0,
  count: 0,
  longestMs: 0,
  totalMs: 0,
  /** Sum of squares: a longer stall meets more requests, and delays each for longer. */
  squaredMs2: 0,
  /** Whether the kernel tells waits for a processor; else a busy machine seems to stall. */
  knowsWaits: true,
};

export type Stalls = Readonly<typeof NO_STALLS>;

interface WatchThread {
  readonly thread: "stall-watch";
  /** Other than 0: end. */
  readonly stop: Int32Array;
  readonly spin: boolean;
}

/** On a healthy machine a sleeping thread wakes up to 0.2 ms late; ten times that is not noise. */
const LEAST_US = 2000;
/** A wake costs 50 to 120 µs of a processor. The watch sees all stalls from 7 ms on. */
const SLEEP_MS = 5;

/** `spin` keeps one processor busy: a hypervisor may take away only a busy one. */
export function watchStalls(spin = false) {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const data: WatchThread = { thread: "stall-watch", stop, spin };
  const thread = new Worker(entryPoint("time/stall-watch"), {
    workerData: data,
    // The process may run with `--eval`.
    execArgv: [],
  });
  const ended = new Promise<Stalls>((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
  });
  // `stop` throws the error; nobody listens before.
  ended.catch(() => undefined);
  thread.unref();
  const close = (): void => {
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
  };
  return {
    /** Ends the watch without a result. */
    close,
    stop: (): Promise<Stalls> => {
      thread.ref();
      close();
      return ended;
    },
  };
}

/** Sums over watches that ran at once; `longestMs` is the maximum. */
export function stallsTogether(all: readonly Stalls[]): Stalls {
  const sum = (field: "seconds" | "count" | "totalMs" | "squaredMs2"): number =>
    all.reduce((total, one) => total + one[field], 0);
  return {
    seconds: sum("seconds"),
    count: sum("count"),
    longestMs: Math.max(0, ...all.map(({ longestMs }) => longestMs)),
    totalMs: sum("totalMs"),
    squaredMs2: sum("squaredMs2"),
    knowsWaits: all.every(({ knowsWaits }) => knowsWaits),
  };
}

/** Runs in the thread: reads the clock again and again until `stop`. */
function recordStalls({ stop, spin }: WatchThread): void {
  const waitedUs = queueWaits();
  // A stall begins anywhere within a sleep, on average half of one before the wake was due.
  const unseenUs = spin ? 0 : (SLEEP_MS * 1000) / 2;
  let stalls: Stalls = { ...NO_STALLS, knowsWaits: waitedUs !== null };
  const startUs = monotonicUs();
  // Read on both sides of a jump, as the thread may lose its processor between two readings.
  let waited = [waitedUs?.() ?? 0, waitedUs?.() ?? 0];
  for (let beforeUs = startUs; Atomics.load(stop, 0) === 0; ) {
    const dueUs = spin ? beforeUs : beforeUs + SLEEP_MS * 1000;
    if (!spin) Atomics.wait(stop, 0, 0, SLEEP_MS);
    beforeUs = monotonicUs();
    const [beforeJumpUs, sinceUs] = waited;
    waited = [sinceUs, waitedUs?.() ?? 0];
    const lostUs = beforeUs - dueUs - (waited[1] - beforeJumpUs);
    if (lostUs < LEAST_US) continue;
    const lostMs = (lostUs + unseenUs) / 1000;
    stalls = {
      ...stalls,
      count: stalls.count + 1,
      longestMs: Math.max(stalls.longestMs, lostMs),
      totalMs: stalls.totalMs + lostMs,
      squaredMs2: stalls.squaredMs2 + lostMs ** 2,
    };
  }
  const seconds = (monotonicUs() - startUs) / 1e6;
  parentPort?.postMessage({ ...stalls, seconds } satisfies Stalls);
}

/**
 * Time for which this thread waited for a processor, µs; null where the kernel does not tell.
 * Source: second figure of schedstat, ns (Linux: Documentation/scheduler/sched-stats).
 */
function queueWaits(): (() => number) | null {
  try {
    const file = openSync("/proc/thread-self/schedstat", "r");
    const text = Buffer.alloc(96);
    const read = (): number => {
      const length = readSync(file, text, 0, text.length, 0);
      return Number(text.toString("latin1", 0, length).split(" ")[1]) / 1000;
    };
    return Number.isFinite(read()) ? read : null;
  } catch {
    return null;
  }
}

if (workerData?.thread === "stall-watch") recordStalls(workerData as WatchThread);
