/** The machine's monotonic clock, waiting for a condition, and alarms on the clock. */
import { parentPort, Worker, workerData } from "node:worker_threads";
import { entryPoint } from "../processes/link.ts";

/** In microseconds, with a fraction; processes of one machine share the origin. Exact to 0.01 µs for a century of uptime. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1000;
}

const POLL_MS = 10;

/** Polls until the condition holds; resolves with false after `timeoutMs`. */
export async function until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > giveUpAt) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

/** Time as a gateway knows it: the machine's, or that of a calendar of events. */
export interface Clock {
  /** Monotonic, µs. */
  nowUs(): number;
  /** Calls `ring` at `atUs`, never before; returns the alarm's id. */
  set(atUs: number, ring: () => void): number;
  /** Ignores an alarm that has rung or was cancelled. */
  cancel(alarm: number): void;
  /** Calls `ring` about so many ms later, once or again and again; the function that it returns ends that. */
  after(ms: number, ring: () => void): () => void;
  every(ms: number, ring: () => void): () => void;
  /** Calls `ring` after the present turn. */
  soon(ring: () => void): void;
}

/** Alarms by the precise timer, all else by the event loop, which a repeated call does not keep alive. */
export function machineClock(alarms: PreciseTimer): Clock {
  return {
    nowUs: monotonicUs,
    set: (atUs, ring) => alarms.set(atUs, ring),
    cancel: (alarm) => alarms.cancel(alarm),
    after: (ms, ring) => {
      const timer = setTimeout(ring, ms);
      return () => clearTimeout(timer);
    },
    every: (ms, ring) => {
      const timer = setInterval(ring, ms).unref();
      return () => clearInterval(timer);
    },
    soon: (ring) => void setImmediate(ring),
  };
}

interface Alarm {
  readonly id: number;
  readonly atUs: number;
  readonly ring: () => void;
}

interface AlarmThread {
  readonly thread: "precise-timer";
  readonly signal: Int32Array;
  /** When to ring next. The thread resets it to `NEVER_NS` when it rings. */
  readonly dueNs: BigInt64Array;
}

const NEVER_NS = 2n ** 62n;
/** A sleep ends about 0.1 ms late: the thread spins for the rest, at 1 to 2% of a core. */
const SPIN_US = 150;
/** Alarms closer than this are a burst, in which a spin would take a core from the work. */
const BURST_US = 2000;

/**
 * Alarms that ring within about 0.1 ms after their time, never before it. Timers of the event loop count
 * whole milliseconds and may fire 0.8 ms early, so a thread sleeps until the next alarm and rings through a
 * message (2% of a core; a `setImmediate` spin takes 10%).
 */
export class PreciseTimer {
  readonly #signal = new Int32Array(new SharedArrayBuffer(4));
  readonly #dueNs = new BigInt64Array(new SharedArrayBuffer(8)).fill(NEVER_NS);
  readonly #thread: Worker;
  /** By time, the next one last. */
  readonly #alarms: Alarm[] = [];
  #ids = 0;
  /** The instant for which the thread waits; Infinity: none. */
  #armedUs = Number.POSITIVE_INFINITY;

  constructor() {
    const data: AlarmThread = { thread: "precise-timer", signal: this.#signal, dueNs: this.#dueNs };
    this.#thread = new Worker(entryPoint("time/clock"), { workerData: data });
    this.#thread.on("message", () => this.#ring());
    this.#thread.unref();
  }

  /** Calls `ring` at `atUs` of `monotonicUs`. Returns the alarm's id. */
  set(atUs: number, ring: () => void): number {
    const id = ++this.#ids;
    let at = this.#alarms.length;
    while (at > 0 && this.#alarms[at - 1].atUs <= atUs) at--;
    this.#alarms.splice(at, 0, { id, atUs, ring });
    if (this.#alarms.length === 1) this.#thread.ref();
    this.#arm();
    return id;
  }

  /** Ignores an alarm that has rung or was cancelled. */
  cancel(id: number): void {
    const at = this.#alarms.findIndex((alarm) => alarm.id === id);
    if (at < 0) return;
    this.#alarms.splice(at, 1);
    if (this.#alarms.length === 0) this.#thread.unref();
  }

  /** Resolves at or after `atUs`, with the time. */
  until(atUs: number): Promise<number> {
    return new Promise((resolve) => this.set(atUs, () => resolve(monotonicUs())));
  }

  async close(): Promise<void> {
    this.#alarms.length = 0;
    await this.#thread.terminate();
  }

  /** Wakes a thread that would sleep too long. An early ring, for a cancelled alarm, is harmless. */
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
    if (this.#alarms.length === 0) this.#thread.unref();
    this.#arm();
  }
}

/** Runs in the thread: sleeps in Atomics.wait and spins for the last moment. */
function ringForever({ signal, dueNs }: AlarmThread): never {
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
    // A time that was set meanwhile stays.
    if (Atomics.compareExchange(dueNs, 0, atNs, NEVER_NS) === atNs) parentPort?.postMessage(null);
  }
}

if (workerData?.thread === "precise-timer") ringForever(workerData as AlarmThread);
