/** The thread behind `precise-timer.ts`: sleeps in Atomics.wait, spins for the last moment. */
import { type MessagePort, workerData } from "node:worker_threads";
import { monotonicUs } from "./monotonic.ts";

const { port, signal, dueNs } = workerData as {
  port: MessagePort;
  signal: Int32Array;
  /** When to ring next; the timer's owner sets it anew after each ring. */
  dueNs: BigInt64Array;
};
/** A sleep ends about 0.1 ms late; the rest is spun away, at 1 to 2% of a core. */
const SPIN_US = 150;
/** Alarms closer than this come in a burst: there a spin would take a core from the work. */
const BURST_US = 2000;
const NEVER_NS = 2n ** 62n;

let rangUs = Number.NEGATIVE_INFINITY;
for (;;) {
  const seen = Atomics.load(signal, 0);
  const atNs = Atomics.load(dueNs, 0);
  if (atNs >= NEVER_NS) {
    Atomics.wait(signal, 0, seen);
    continue;
  }
  const atUs = Number(atNs) / 1000;
  const leftUs = atUs - monotonicUs();
  const spinUs = atUs - rangUs < BURST_US ? 0 : SPIN_US;
  if (leftUs > spinUs) {
    Atomics.wait(signal, 0, seen, (leftUs - spinUs) / 1000);
    continue;
  }
  while (monotonicUs() < atUs);
  rangUs = atUs;
  // Once per time set; a time set meanwhile stays.
  if (Atomics.compareExchange(dueNs, 0, atNs, NEVER_NS) === atNs) port.postMessage(null);
}
