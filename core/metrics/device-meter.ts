/**
 * What a run's devices did in the measured window: how long each slot was busy, and how often and
 * how long batches waited for their model to be loaded. Only the simulator can tell, so only its
 * runs have one.
 */
import type { System } from "../system.ts";

/** The measured window; `closedUs` is Infinity while it is open. */
interface Window {
  readonly warmupUs: number;
  readonly closedUs: number;
}

export class DeviceMeter {
  /** By device slot: time with at least one batch on it, µs. */
  readonly busyUs: Float64Array;
  /** By pool: batches that found their model absent, of those that came since the warm-up. */
  readonly coldStarts: Float64Array;
  /** By pool: what those batches waited for it in all, µs. */
  readonly loadUs: Float64Array;
  readonly #system: System;
  readonly #window: Window;
  readonly #batches: Int32Array;
  readonly #busySinceUs: Float64Array;

  constructor(system: System, window: Window) {
    this.#system = system;
    this.#window = window;
    this.busyUs = new Float64Array(system.devices.length);
    this.#batches = new Int32Array(system.devices.length);
    this.#busySinceUs = new Float64Array(system.devices.length);
    this.coldStarts = new Float64Array(system.pools.length);
    this.loadUs = new Float64Array(system.pools.length);
  }

  /** A batch starts to run on a replica. */
  started(replica: number, nowUs: number): void {
    const { slot } = this.#system.replicas[replica];
    if (this.#batches[slot]++ === 0) this.#busySinceUs[slot] = nowUs;
  }

  stopped(replica: number, nowUs: number): void {
    const { slot } = this.#system.replicas[replica];
    if (--this.#batches[slot] > 0) return;
    const fromUs = Math.max(this.#busySinceUs[slot], this.#window.warmupUs);
    const toUs = Math.min(nowUs, this.#window.closedUs);
    if (toUs > fromUs) this.busyUs[slot] += toUs - fromUs;
  }

  /** The batch on a replica waited for its model. */
  loaded(replica: number, fromUs: number, toUs: number): void {
    if (fromUs < this.#window.warmupUs) return;
    const { pool } = this.#system.replicas[replica];
    this.coldStarts[pool]++;
    this.loadUs[pool] += toUs - fromUs;
  }

  /** Energy of all nodes and devices over a window of this length, J; null without any power. */
  energyJoules(windowUs: number): number | null {
    const { idleWatts, devices } = this.#system;
    if (idleWatts === null) return null;
    let joules = (idleWatts * windowUs) / 1e6;
    for (let slot = 0; slot < devices.length; slot++) {
      joules += (devices[slot].busyWatts * this.busyUs[slot]) / 1e6;
    }
    return joules;
  }
}
