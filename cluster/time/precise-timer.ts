/**
 * Alarms that ring within about 0.1 ms after their time and never before it. The event loop's own
 * timers count whole milliseconds and may fire 0.8 ms early; here a thread sleeps until the next
 * alarm and rings through a message. Measured on two cores, against `setTimeout` and a
 * `setImmediate` spin: p50 +0.07 ms and 2% of a core, against up to 1 ms early, and +0.01 ms and
 * 10% of a core. All that is due rings at once, and an alarm that is not the next one wakes no
 * thread, so that a burst of alarms costs few switches.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { entryPoint } from "../processes/entry-point.ts";
import { monotonicUs } from "./monotonic.ts";

interface Alarm {
  readonly id: number;
  readonly atUs: number;
  readonly ring: () => void;
}

const NEVER_NS = 2n ** 62n;

export class PreciseTimer {
  readonly #port: MessagePort;
  readonly #signal = new Int32Array(new SharedArrayBuffer(4));
  readonly #dueNs = new BigInt64Array(new SharedArrayBuffer(8)).fill(NEVER_NS);
  readonly #thread: Worker;
  /** By time, the next one last. */
  readonly #alarms: Alarm[] = [];
  #ids = 0;
  /** The time that the thread waits for; Infinity: none. */
  #armedUs = Number.POSITIVE_INFINITY;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#thread = new Worker(entryPoint("time/precise-timer-thread"), {
      workerData: { port: port2, signal: this.#signal, dueNs: this.#dueNs },
      transferList: [port2],
    });
    this.#thread.unref();
    this.#port.on("message", () => this.#ring());
    this.#port.unref();
  }

  /** Calls `ring` at `atUs` of `monotonicUs`. Returns the alarm's id. */
  set(atUs: number, ring: () => void): number {
    const id = ++this.#ids;
    let at = this.#alarms.length;
    while (at > 0 && this.#alarms[at - 1].atUs <= atUs) at--;
    this.#alarms.splice(at, 0, { id, atUs, ring });
    if (this.#alarms.length === 1) this.#port.ref();
    this.#arm();
    return id;
  }

  /** An alarm that has rung, or was cancelled, stays silent. */
  cancel(id: number): void {
    const at = this.#alarms.findIndex((alarm) => alarm.id === id);
    if (at < 0) return;
    this.#alarms.splice(at, 1);
    if (this.#alarms.length === 0) this.#port.unref();
  }

  /** Resolves with the time at which it did, at or after `atUs`. */
  until(atUs: number): Promise<number> {
    return new Promise((resolve) => this.set(atUs, () => resolve(monotonicUs())));
  }

  async close(): Promise<void> {
    this.#alarms.length = 0;
    this.#port.close();
    await this.#thread.terminate();
  }

  /** Tells the thread when it would sleep too long. A ring too early, of a cancelled alarm, is harmless. */
  #arm(): void {
    const next = this.#alarms.at(-1);
    if (next === undefined || next.atUs >= this.#armedUs) return;
    this.#armedUs = next.atUs;
    Atomics.store(this.#dueNs, 0, BigInt(Math.ceil(next.atUs * 1000)));
    Atomics.add(this.#signal, 0, 1);
    Atomics.notify(this.#signal, 0);
  }

  #ring(): void {
    this.#armedUs = Number.POSITIVE_INFINITY;
    const nowUs = monotonicUs();
    for (let next = this.#alarms.at(-1); next !== undefined; next = this.#alarms.at(-1)) {
      if (next.atUs > nowUs) break;
      this.#alarms.pop();
      next.ring();
    }
    if (this.#alarms.length === 0) this.#port.unref();
    this.#arm();
  }
}
