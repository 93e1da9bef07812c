/**
 * Start windows at workers: a batch that has one waits here until its device slot is free and its
 * window is open, and is cancelled when it could not start in time. Batches of one slot start in
 * order of receipt. A cancelled batch passes the stations behind this one and goes home unrun.
 */
import type { StartWindow } from "../../core/dispatch/driver.ts";
import type { System } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import type { Station } from "./station.ts";

const NONE = -1;

export class StartWindows implements Station {
  readonly #slotOf: readonly number[];
  /** By replica: the window of its next batch, from receipt; null: none. */
  readonly #next: (StartWindow | null)[];
  /** By replica: its batch's window, µs since the run's start. */
  readonly #fromUs: Float64Array;
  readonly #untilUs: Float64Array;
  readonly #missed: Uint8Array;
  /** By device slot: replicas whose batch waits, in order of receipt, and the one that has the slot. */
  readonly #waiting: number[][];
  readonly #holder: Int32Array;

  constructor(
    { replicas, devices }: System,
    private readonly slots: WinnerTree,
  ) {
    this.#slotOf = replicas.map(({ slot }) => slot);
    this.#next = replicas.map(() => null);
    this.#fromUs = new Float64Array(replicas.length);
    this.#untilUs = new Float64Array(replicas.length);
    this.#missed = new Uint8Array(replicas.length);
    this.#waiting = devices.map(() => []);
    this.#holder = new Int32Array(devices.length).fill(NONE);
  }

  /** The next batch of a replica has this window. */
  set(replica: number, window: StartWindow): void {
    this.#next[replica] = window;
  }

  /** Whether the last batch of a replica was cancelled. */
  missed(replica: number): boolean {
    return this.#missed[replica] === 1;
  }

  enter(replica: number, nowUs: number): boolean {
    const window = this.#next[replica];
    this.#next[replica] = null;
    this.#missed[replica] = 0;
    if (window === null) return true;
    this.#fromUs[replica] = nowUs + window.earliestUs;
    this.#untilUs[replica] = nowUs + window.latestUs;
    const slot = this.#slotOf[replica];
    this.#waiting[slot].push(replica);
    this.slots.set(replica, this.#untilUs[replica] + 1);
    this.#serve(slot, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    const slot = this.#slotOf[replica];
    if (this.#holder[slot] === replica) return true;
    if (nowUs <= this.#untilUs[replica]) {
      this.slots.set(replica, this.#untilUs[replica] + 1);
      this.#serve(slot, nowUs);
      return false;
    }
    this.#leave(replica);
    this.#missed[replica] = 1;
    this.#serve(slot, nowUs);
    return true;
  }

  abandon(replica: number, nowUs: number): void {
    this.#leave(replica);
    this.release(replica, nowUs);
  }

  /** A replica's batch is off its device slot. */
  release(replica: number, nowUs: number): void {
    const slot = this.#slotOf[replica];
    if (this.#holder[slot] === replica) this.#holder[slot] = NONE;
    this.#serve(slot, nowUs);
  }

  /** A station behind this one, which cancelled batches pass; `last` frees the device slot. */
  guard(station: Station, last: boolean): Station {
    return {
      enter: (replica, nowUs) => this.missed(replica) || station.enter(replica, nowUs),
      due: (replica, nowUs) => {
        const through = station.due(replica, nowUs);
        if (through && last) this.release(replica, nowUs);
        return through;
      },
      abandon: (replica, nowUs) => {
        station.abandon(replica, nowUs);
        this.release(replica, nowUs);
      },
    };
  }

  /** Gives a free slot to the first batch that can still start there, or waits for its window. */
  #serve(slot: number, nowUs: number): void {
    if (this.#holder[slot] !== NONE) return;
    const first = this.#waiting[slot].find((replica) => nowUs <= this.#untilUs[replica]);
    if (first === undefined) return;
    if (nowUs < this.#fromUs[first]) {
      this.slots.set(first, Math.min(this.#fromUs[first], this.#untilUs[first] + 1));
      return;
    }
    this.#leave(first);
    this.#holder[slot] = first;
    this.slots.set(first, nowUs);
  }

  #leave(replica: number): void {
    const slot = this.#slotOf[replica];
    this.#waiting[slot] = this.#waiting[slot].filter((other) => other !== replica);
  }
}
