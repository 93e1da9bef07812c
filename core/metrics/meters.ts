/** Time integrals over the measured window: of replicas that come and go, and of devices. */
import type { System } from "../system.ts";

/** The measured window; `closedUs` is Infinity while it is open. */
interface Window {
  readonly warmupUs: number;
  readonly closedUs: number;
}

/** While the window is open, it ends with the last work. */
interface EndingWindow extends Window {
  readonly windowEndUs: number;
}

/** The number, availability and cost of replicas, in runs whose cluster changes. */
export class ReplicaMeter {
  readonly #window: EndingWindow;
  readonly #poolOf: readonly number[];
  readonly #ready: Uint8Array;
  readonly #reachable: Uint8Array;
  readonly #paid: Uint8Array;
  /** By pool, now: replicas that should serve, and those of them that can. */
  readonly #readyCount: Float64Array;
  readonly #workingCount: Float64Array;
  readonly #readyUs: Float64Array;
  readonly #workingUs: Float64Array;
  readonly #nodeOf: readonly number[];
  /** By machine: its replicas that are paid for, and its cost an hour while there is one. */
  readonly #paidOn: Int32Array;
  readonly #price: readonly number[];
  /** Price of all machines with a paid replica, and its integral over the window. */
  #pricePerHour: number;
  #priceUs = 0;
  #windowUs = 0;
  #lastUs = 0;
  #recoveries = 0;
  #recoveryUs = 0;

  /** By pool: retries of jobs whose replica was lost. */
  readonly retries: Float64Array;
  /** Whether any replica came or left. */
  scaled = false;

  /** Every replica starts ready and reachable. */
  constructor(system: System, window: EndingWindow, retries: Float64Array) {
    this.retries = retries;
    const pools = system.pools.length;
    this.#window = window;
    this.#poolOf = system.replicas.map((replica) => replica.pool);
    this.#ready = new Uint8Array(system.replicas.length).fill(1);
    this.#reachable = new Uint8Array(system.replicas.length).fill(1);
    this.#readyCount = Float64Array.from(system.pools, (pool) => pool.count);
    this.#workingCount = Float64Array.from(system.pools, (pool) => pool.count);
    this.#readyUs = new Float64Array(pools);
    this.#workingUs = new Float64Array(pools);
    this.#paid = new Uint8Array(system.replicas.length).fill(1);
    this.#nodeOf = system.replicas.map((replica) => replica.node);
    this.#paidOn = new Int32Array(system.nodes.length);
    for (const node of this.#nodeOf) this.#paidOn[node]++;
    this.#price = system.nodes.map((node) => node.costPerHour);
    this.#pricePerHour = system.costPerHour;
  }

  /** A replica crashed or is cut off, or is back. */
  reachable(replica: number, reachable: boolean, nowUs: number): void {
    this.#set(replica, this.#ready[replica] === 1, reachable, nowUs);
  }

  /** A replica has come up, or has left. */
  ready(replica: number, ready: boolean, nowUs: number): void {
    this.#set(replica, ready, this.#reachable[replica] === 1, nowUs);
  }

  /** A replica is paid for from its order until it has left, and with it its whole machine. */
  paid(replica: number, paid: boolean, nowUs: number): void {
    this.#integrate(nowUs);
    this.scaled = true;
    const node = this.#nodeOf[replica];
    const before = this.#paidOn[node];
    this.#paidOn[node] += (paid ? 1 : 0) - this.#paid[replica];
    this.#paid[replica] = paid ? 1 : 0;
    const change = Number(this.#paidOn[node] > 0) - Number(before > 0);
    this.#pricePerHour += change * this.#price[node];
  }

  /** After a fault, the system holds no more requests again than when it began. */
  recovered(tookUs: number): void {
    this.#recoveries++;
    this.#recoveryUs += tookUs;
  }

  /** Mean time until recovered, of faults that the run has recovered from; null without any. */
  get recoveryMeanUs(): number | null {
    return this.#recoveries === 0 ? null : this.#recoveryUs / this.#recoveries;
  }

  /** Mean number of a pool's replicas that were up. */
  replicasMean(pool: number): number {
    this.#integrateAll();
    return this.#windowUs === 0 ? this.#readyCount[pool] : this.#readyUs[pool] / this.#windowUs;
  }

  /** Mean cost of the machines that hosted a paid replica. */
  costPerHour(): number {
    this.#integrateAll();
    return this.#windowUs === 0 ? this.#pricePerHour : this.#priceUs / this.#windowUs;
  }

  /** Share of its replicas' time that a pool's replicas could serve; of all pools without one. */
  availabilityRatio(pool?: number): number {
    this.#integrateAll();
    const pools = pool === undefined ? [...this.#readyUs.keys()] : [pool];
    const sum = (areas: Float64Array): number => pools.reduce((total, id) => total + areas[id], 0);
    const ready = sum(this.#readyUs);
    return ready === 0 ? 1 : sum(this.#workingUs) / ready;
  }

  #set(replica: number, ready: boolean, reachable: boolean, nowUs: number): void {
    this.#integrate(nowUs);
    const pool = this.#poolOf[replica];
    this.#workingCount[pool] -= this.#ready[replica] & this.#reachable[replica];
    this.#readyCount[pool] -= this.#ready[replica];
    this.#ready[replica] = ready ? 1 : 0;
    this.#reachable[replica] = reachable ? 1 : 0;
    this.#readyCount[pool] += this.#ready[replica];
    this.#workingCount[pool] += this.#ready[replica] & this.#reachable[replica];
  }

  /** Up to the end of the window. */
  #integrateAll(): void {
    this.#integrate(this.#window.windowEndUs);
  }

  #integrate(nowUs: number): void {
    const { warmupUs, closedUs } = this.#window;
    const spanUs = Math.min(nowUs, closedUs) - Math.max(this.#lastUs, warmupUs);
    this.#lastUs = Math.max(this.#lastUs, nowUs);
    if (spanUs <= 0) return;
    this.#windowUs += spanUs;
    this.#priceUs += this.#pricePerHour * spanUs;
    for (let pool = 0; pool < this.#readyUs.length; pool++) {
      this.#readyUs[pool] += this.#readyCount[pool] * spanUs;
      this.#workingUs[pool] += this.#workingCount[pool] * spanUs;
    }
  }
}

/**
 * The busy time of each device slot, and the waits of batches for their model to load. Only the
 * simulator knows them.
 */
export class DeviceMeter {
  /** By device slot: time with at least one batch on it, µs. */
  readonly busyUs: Float64Array;
  /** By pool: batches since the warm-up that found their model absent. */
  readonly coldStarts: Float64Array;
  /** By pool: total wait of those batches, µs. */
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
