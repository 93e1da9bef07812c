/** Time integrals over the measured window: of requests in the system, of replicas that come and go, and of devices. */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO } from "../basics/hot-path.ts";
import type { System } from "../system/system.ts";

const BINS = 256;
const FIRST_WIDTH_US = 1024;

/**
 * The integral of the number in the system, and its means over equal stretches of time in bounded memory:
 * when all bins are full, neighbours are joined and the bins become twice as wide.
 */
export class InSystemSeries {
  /** At this instant. */
  count = 0;
  /** All ends less all arrivals, µs. With `count × t` it is the integral from 0 until t. */
  private netUs = DOUBLE_ZERO;
  private lastUs = DOUBLE_ZERO;
  /** The next instant to note: the window's start, then the end of each bin. */
  private dueUs = DOUBLE_ZERO;
  private closedUs = Number.POSITIVE_INFINITY;
  private closedArea = DOUBLE_ZERO;
  widthUs: number = DOUBLE_ZERO;
  /** The integral from 0 until the window's start, then until the end of each bin, request·µs. */
  private readonly areas = new Float64Array(1 + BINS);
  private noted = 0;

  constructor(startUs: number) {
    this.dueUs = startUs;
    this.widthUs = FIRST_WIDTH_US;
  }

  arrived(nowUs: number): void {
    this.lastUs = nowUs;
    if (nowUs >= this.dueUs) this.pass();
    this.count++;
    this.netUs -= nowUs;
  }

  ended(nowUs: number): void {
    this.lastUs = nowUs;
    if (nowUs >= this.dueUs) this.pass();
    this.count--;
    this.netUs += nowUs;
  }

  /** The window ends. */
  close(nowUs: number): void {
    this.lastUs = nowUs;
    if (nowUs >= this.dueUs) this.pass();
    this.closedArea = this.areaUntil(nowUs);
    this.closedUs = nowUs;
    this.dueUs = Number.POSITIVE_INFINITY;
  }

  /** Integrated over the window, until its end or until the last arrival or end; request·µs. */
  get area(): number {
    if (this.noted === 0) return 0;
    const isClosed = this.closedUs !== Number.POSITIVE_INFINITY;
    return (isClosed ? this.closedArea : this.areaUntil(this.lastUs)) - this.areas[0];
  }

  /** Mean number of each full bin, in order. */
  means(): Float64Array {
    const areas = this.areas;
    return Float64Array.from(
      { length: Math.max(0, this.noted - 1) },
      (_, bin) => (areas[bin + 1] - areas[bin]) / this.widthUs,
    );
  }

  /** The integral from 0 until an instant after the last event. */
  private areaUntil(us: number): number {
    return this.netUs + this.count * us;
  }

  /** Notes all instants that are due; no event lies between them and the last one. */
  private pass(): void {
    while (this.dueUs <= this.lastUs) {
      this.areas[this.noted++] = this.areaUntil(this.dueUs);
      if (this.noted > BINS) this.fold();
      this.dueUs += this.widthUs;
    }
  }

  private fold(): void {
    this.noted = 1 + BINS / 2;
    for (let i = 1; i < this.noted; i++) this.areas[i] = this.areas[2 * i];
    this.widthUs *= 2;
  }
}

/**
 * Requests that stay behind per request that arrives, in each half of the window: the slope of the
 * number in the system over the arrival rate. 0 in a steady state, 1 − capacity / rate in overload.
 */
export interface Growth {
  readonly firstHalf: number;
  readonly secondHalf: number;
}

const FEWEST_BINS = 32;
const FEWEST_ARRIVALS = 200;

/** `means` are of consecutive stretches of `widthUs`; null when there is too little to say. */
export function growthOf(
  means: Float64Array,
  widthUs: number,
  arrivalsPerUs: number,
): Growth | null {
  const half = means.length >> 1;
  const arrivals = arrivalsPerUs * widthUs * means.length;
  if (means.length < FEWEST_BINS || arrivals < FEWEST_ARRIVALS) return null;
  const perArrival = (part: Float64Array): number => slope(part) / (widthUs * arrivalsPerUs);
  return {
    firstHalf: perArrival(means.subarray(0, half)),
    secondHalf: perArrival(means.subarray(half)),
  };
}

/** Least squares slope per step. */
function slope(values: Float64Array): number {
  const middle = (values.length - 1) / 2;
  let above = 0;
  let below = 0;
  for (let i = 0; i < values.length; i++) {
    above += (i - middle) * values[i];
    below += (i - middle) ** 2;
  }
  return above / below;
}

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
  declare private readonly system: System;
  declare private readonly window: EndingWindow;
  declare readonly retries: Float64Array;
  /** By replica: whether it is to serve, can be reached, and is paid for. */
  readonly #ready: Uint8Array;
  readonly #reachable: Uint8Array;
  readonly #paid: Uint8Array;
  /** By machine: its replicas that are paid for. */
  readonly #paidOn: Int32Array;
  /** By pool, over the window: time of replicas that are to serve, and of those of them that can. */
  readonly #readyUs: Float64Array;
  readonly #workingUs: Float64Array;
  /** Integral of the price of all machines with a paid replica. */
  #priceUs = 0;
  #windowUs = 0;
  #lastUs = 0;
  #recoveries = 0;
  #recoveryUs = 0;
  /** Whether any replica came or left. */
  scaled = false;

  /** Every replica starts ready and reachable. `retries` are by pool: of jobs whose replica was lost. */
  constructor(system: System, window: EndingWindow, retries: Float64Array) {
    this.system = system;
    this.window = window;
    this.retries = retries;
    const { replicas, pools, nodes } = system;
    this.#ready = new Uint8Array(replicas.length).fill(1);
    this.#reachable = new Uint8Array(replicas.length).fill(1);
    this.#paid = new Uint8Array(replicas.length).fill(1);
    this.#paidOn = new Int32Array(nodes.length);
    for (const { node } of replicas) this.#paidOn[node]++;
    this.#readyUs = new Float64Array(pools.length);
    this.#workingUs = new Float64Array(pools.length);
  }

  /** A replica crashed or is cut off, or is back. */
  reachable(replica: number, reachable: boolean, nowUs: number): void {
    this.#integrate(nowUs);
    this.#reachable[replica] = reachable ? 1 : 0;
  }

  /** A replica has come up, or has left. */
  ready(replica: number, ready: boolean, nowUs: number): void {
    this.#integrate(nowUs);
    this.#ready[replica] = ready ? 1 : 0;
  }

  /** A replica is paid for from its order until it has left, and with it its whole machine. */
  paid(replica: number, paid: boolean, nowUs: number): void {
    this.#integrate(nowUs);
    this.scaled = true;
    this.#paidOn[this.system.replicas[replica].node] += (paid ? 1 : 0) - this.#paid[replica];
    this.#paid[replica] = paid ? 1 : 0;
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
    this.#integrate(this.window.windowEndUs);
    if (this.#windowUs > 0) return this.#readyUs[pool] / this.#windowUs;
    const { first, count } = this.system.pools[pool];
    return this.#ready.subarray(first, first + count).reduce((sum, ready) => sum + ready, 0);
  }

  /** Mean cost of the machines that hosted a paid replica. */
  costPerHour(): number {
    this.#integrate(this.window.windowEndUs);
    return this.#windowUs === 0 ? this.#pricePerHour() : this.#priceUs / this.#windowUs;
  }

  /** Share of its replicas' time that a pool's replicas could serve; of all pools without one. */
  availabilityRatio(pool?: number): number {
    this.#integrate(this.window.windowEndUs);
    const pools = pool === undefined ? [...this.#readyUs.keys()] : [pool];
    const sum = (areas: Float64Array): number => pools.reduce((total, id) => total + areas[id], 0);
    const ready = sum(this.#readyUs);
    return ready === 0 ? 1 : sum(this.#workingUs) / ready;
  }

  #pricePerHour(): number {
    return this.system.nodes.reduce(
      (sum, { costPerHour }, node) => (this.#paidOn[node] > 0 ? sum + costPerHour : sum),
      0,
    );
  }

  #integrate(nowUs: number): void {
    const { warmupUs, closedUs } = this.window;
    const spanUs = Math.min(nowUs, closedUs) - Math.max(this.#lastUs, warmupUs);
    this.#lastUs = Math.max(this.#lastUs, nowUs);
    if (spanUs <= 0) return;
    this.#windowUs += spanUs;
    this.#priceUs += this.#pricePerHour() * spanUs;
    for (const [replica, { pool }] of this.system.replicas.entries()) {
      const readyUs = this.#ready[replica] * spanUs;
      this.#readyUs[pool] += readyUs;
      this.#workingUs[pool] += readyUs * this.#reachable[replica];
    }
  }
}

/**
 * The busy time of each device slot, and the waits of batches for their model to load. Only the
 * simulator knows them.
 */
export class DeviceMeter {
  declare private readonly system: System;
  declare private readonly window: Window;
  /** By device slot: time with at least one batch on it, µs. */
  readonly busyUs: Float64Array;
  /** By pool: batches since the warm-up that found their model absent. */
  readonly coldStarts: Float64Array;
  /** By pool: total wait of those batches, µs. */
  readonly loadUs: Float64Array;
  readonly #batches: Int32Array;
  readonly #busySinceUs: Float64Array;

  constructor(system: System, window: Window) {
    this.system = system;
    this.window = window;
    this.busyUs = new Float64Array(system.devices.length);
    this.#batches = new Int32Array(system.devices.length);
    this.#busySinceUs = new Float64Array(system.devices.length);
    this.coldStarts = new Float64Array(system.pools.length);
    this.loadUs = new Float64Array(system.pools.length);
  }

  /** A batch starts to run on a replica. */
  started(replica: number, nowUs: number, slot = this.system.replicas[replica].slot): void {
    if (this.#batches[slot]++ === 0) this.#busySinceUs[slot] = nowUs;
  }

  stopped(replica: number, nowUs: number, slot = this.system.replicas[replica].slot): void {
    if (--this.#batches[slot] > 0) return;
    const fromUs = Math.max(this.#busySinceUs[slot], this.window.warmupUs);
    const toUs = Math.min(nowUs, this.window.closedUs);
    if (toUs > fromUs) this.busyUs[slot] += toUs - fromUs;
  }

  /** The batch on a replica waited for its model. */
  loaded(replica: number, fromUs: number, toUs: number): void {
    if (fromUs < this.window.warmupUs) return;
    const { pool } = this.system.replicas[replica];
    this.coldStarts[pool]++;
    this.loadUs[pool] += toUs - fromUs;
  }

  /** Energy of all nodes and devices over a window of this length, J; null without any power. */
  energyJoules(windowUs: number): number | null {
    const { idleWatts, devices } = this.system;
    if (idleWatts === null) return null;
    const idleJoules = (idleWatts * windowUs) / 1e6;
    return devices.reduce(
      (joules, { busyWatts }, slot) => joules + (busyWatts * this.busyUs[slot]) / 1e6,
      idleJoules,
    );
  }
}
