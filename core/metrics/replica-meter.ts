/**
 * How many replicas are there, and work, while a run goes on: time integrals over the measured
 * window. Used only by runs whose cluster changes.
 */
import { listOf } from "../list-of.ts";
import type { System } from "../system.ts";
import type { RunRecorder } from "./recorder.ts";

export class ReplicaMeter {
  readonly #recorder: RunRecorder;
  readonly #poolOf: readonly number[];
  readonly #ready: Uint8Array;
  readonly #reachable: Uint8Array;
  readonly #paid: Uint8Array;
  /** By pool, at this instant: replicas that are meant to serve, and those of them that can. */
  readonly #readyCount: Float64Array;
  readonly #workingCount: Float64Array;
  readonly #readyUs: Float64Array;
  readonly #workingUs: Float64Array;
  readonly #nodeOf: readonly number[];
  /** By machine: how many of its replicas are paid for, and its cost an hour while any is. */
  readonly #paidOn: Int32Array;
  readonly #price: readonly number[];
  /** Price of all machines with a paid replica, and its integral over the window. */
  #pricePerHour: number;
  #priceUs = 0;
  #windowUs = 0;
  #lastUs = 0;
  #recoveries = 0;
  #recoveryUs = 0;

  /** By pool: how often a job whose replica was lost was tried again. */
  readonly retries: Float64Array;
  /** Whether replicas came or left at all. */
  scaled = false;

  /** Every replica starts ready and reachable. */
  constructor(system: System, recorder: RunRecorder, retries: Float64Array) {
    this.retries = retries;
    const pools = system.pools.length;
    this.#recorder = recorder;
    this.#poolOf = listOf(system.replicas, (replica) => replica.pool);
    this.#ready = new Uint8Array(system.replicas.length).fill(1);
    this.#reachable = new Uint8Array(system.replicas.length).fill(1);
    this.#readyCount = Float64Array.from(system.pools, (pool) => pool.count);
    this.#workingCount = Float64Array.from(system.pools, (pool) => pool.count);
    this.#readyUs = new Float64Array(pools);
    this.#workingUs = new Float64Array(pools);
    this.#paid = new Uint8Array(system.replicas.length).fill(1);
    this.#nodeOf = listOf(system.replicas, (replica) => replica.node);
    this.#paidOn = new Int32Array(system.nodes.length);
    for (const node of this.#nodeOf) this.#paidOn[node]++;
    this.#price = listOf(system.nodes, (node) => node.costPerHour);
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
    this.#integrate(this.#recorder.windowEndUs);
  }

  #integrate(nowUs: number): void {
    const { warmupUs, closedUs } = this.#recorder;
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
