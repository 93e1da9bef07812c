/** The thread behind `stall-watch.ts`: reads the clock again and again, and records where it jumps. */
import { openSync, readSync } from "node:fs";
import { type MessagePort, workerData } from "node:worker_threads";
import { monotonicUs } from "./monotonic.ts";
import { NO_STALLS, type Stalls } from "./stall-watch.ts";

const { port, stop, spin, leastUs } = workerData as {
  port: MessagePort;
  /** Not 0: end. */
  stop: Int32Array;
  spin: boolean;
  /** Shorter jumps are not counted. */
  leastUs: number;
};
/** A wake costs 50 to 120 µs of a processor, by how cold its caches are. Stalls from 7 ms on are all seen. */
const SLEEP_MS = 5;
/** A stall begins anywhere within a sleep, so on average half of one before the wake was due. */
const UNSEEN_US = spin ? 0 : (SLEEP_MS * 1000) / 2;

/** How long this thread has waited for a processor that other threads had; null: not known here. */
const waitedUs = queueWaits();
let stalls: Stalls = { ...NO_STALLS, knowsWaits: waitedUs !== null };
const startUs = monotonicUs();
// Read on either side of a jump, as the thread may lose its processor between two readings.
let waited = [waitedUs?.() ?? 0, waitedUs?.() ?? 0];
for (let beforeUs = startUs; Atomics.load(stop, 0) === 0; ) {
  const dueUs = spin ? beforeUs : beforeUs + SLEEP_MS * 1000;
  if (!spin) Atomics.wait(stop, 0, 0, SLEEP_MS);
  beforeUs = monotonicUs();
  const [beforeJumpUs, sinceUs] = waited;
  waited = [sinceUs, waitedUs?.() ?? 0];
  const lostUs = beforeUs - dueUs - (waited[1] - beforeJumpUs);
  if (lostUs < leastUs) continue;
  const { count, longestMs, totalMs } = stalls;
  const lostMs = (lostUs + UNSEEN_US) / 1000;
  stalls = {
    ...stalls,
    count: count + 1,
    longestMs: Math.max(longestMs, lostMs),
    totalMs: totalMs + lostMs,
    squaredMs2: stalls.squaredMs2 + lostMs ** 2,
  };
}
port.postMessage({ ...stalls, seconds: (monotonicUs() - startUs) / 1e6 } satisfies Stalls);
port.close();

/** The second figure of schedstat (Linux: Documentation/scheduler/sched-stats), which is in ns. */
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
