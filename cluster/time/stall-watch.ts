/**
 * Short stalls of this machine: moments in which no thread of ours could go on although no other
 * thread had its processor, because a hypervisor (or a suspended machine) had taken it away. A
 * thread of its own reads the clock every 5 ms and records each jump beyond `LEAST_US`, less the
 * time for which it waited for a processor by the kernel's own account: that is the load's doing, not
 * the machine's. Cost: 2% of one processor on a crowded virtual machine of two, 1% on a free one.
 */
import { MessageChannel, Worker } from "node:worker_threads";
import { entryPoint } from "../processes/entry-point.ts";

/** Stalls of the processors that the watching threads happened to be on. */
export interface Stalls {
  readonly seconds: number;
  readonly count: number;
  readonly longestMs: number;
  readonly totalMs: number;
  /** Sum of squares: a longer stall meets more requests, and delays each for longer. */
  readonly squaredMs2: number;
  /** Whether waits for a processor are known and taken out; else a busy machine seems to stall. */
  readonly knowsWaits: boolean;
}

export const NO_STALLS: Stalls = {
  seconds: 0,
  count: 0,
  longestMs: 0,
  totalMs: 0,
  squaredMs2: 0,
  knowsWaits: true,
};

/** A thread that sleeps wakes up to 0.2 ms late on a machine that is well; ten times that is not noise. */
const LEAST_US = 2000;

export interface StallWatch {
  stop(): Promise<Stalls>;
  /** Ends it without an answer. */
  close(): void;
}

/** `spin` keeps one processor busy instead: a hypervisor may take only one that is wanted. */
export function watchStalls(spin = false): StallWatch {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const thread = new Worker(entryPoint("time/stall-thread"), {
    workerData: { port: port2, stop, spin, leastUs: LEAST_US },
    transferList: [port2],
    // The thread is a file, whatever this process runs.
    execArgv: [],
  });
  const ended = new Promise<Stalls>((resolve, reject) => {
    port1.once("message", resolve);
    thread.once("error", reject);
  });
  // An error is handed on by `stop`; until then nobody listens.
  ended.catch(() => undefined);
  thread.unref();
  port1.unref();
  const close = (): void => {
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    port1.close();
  };
  return {
    close,
    stop: async () => {
      thread.ref();
      port1.ref();
      Atomics.store(stop, 0, 1);
      Atomics.notify(stop, 0);
      return ended.finally(close);
    },
  };
}

/** Of several watches at once: shares are per watch, the longest is of all. */
export function stallsTogether(all: readonly Stalls[]): Stalls {
  const sum = (value: (one: Stalls) => number): number =>
    all.reduce((total, one) => total + value(one), 0);
  return {
    seconds: sum(({ seconds }) => seconds),
    count: sum(({ count }) => count),
    longestMs: Math.max(0, ...all.map(({ longestMs }) => longestMs)),
    totalMs: sum(({ totalMs }) => totalMs),
    squaredMs2: sum(({ squaredMs2 }) => squaredMs2),
    knowsWaits: all.every(({ knowsWaits }) => knowsWaits),
  };
}
