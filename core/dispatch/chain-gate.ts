/**
 * The gate of a pipeline whose requests each hold a whole chain of replicas: chain c is replica c
 * of every pool of the pipeline. A chain is granted while it is free and all its replicas are up.
 * A request whose chain breaks gives it up and takes the next whole one, ahead of all that wait
 * outside: what it has done stays done.
 */
import type { JobQueues } from "./job-queues.ts";
import { JOB, type RequestTable } from "./request-table.ts";

const NONE = -1;

export class ChainGate {
  /** A request that ends while the gate opens frees its chain for the same opening. */
  opening = false;
  /** Of requests outside, each by its first job. */
  readonly #queue: number;
  readonly #queues: JobQueues;
  readonly #table: RequestTable;
  /** Free and whole chains, the longest free first. */
  readonly #free: number[] = [];
  /** Request that holds each chain, or −1. */
  readonly #holder: Int32Array;
  /** Replicas of each chain that are down. */
  readonly #down: Int32Array;
  /** Requests inside without a chain, in order of loss, with their jobs that need one. */
  readonly #displaced = new Map<number, number[]>();

  /** Every chain has `length` replicas, and all of them start down. */
  constructor(
    queue: number,
    queues: JobQueues,
    table: RequestTable,
    chains: number,
    length: number,
  ) {
    this.#queue = queue;
    this.#queues = queues;
    this.#table = table;
    this.#holder = new Int32Array(chains).fill(NONE);
    this.#down = new Int32Array(chains).fill(length);
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /** Requests that wait to be let in. */
  get outsideCount(): number {
    return this.#queues.lengthOf(this.#queue);
  }

  /** A request waits to be let in. */
  arrive(request: number, nowUs: number): void {
    const table = this.#table;
    const entry = request << table.shift;
    table.enqueuedUs[entry] = nowUs;
    this.#queues.push(this.#queue, entry, 0);
  }

  /** Takes the request that has waited longest outside; only when there is one. */
  next(): number {
    return this.#table.requestOf(this.#queues.pop(this.#queue));
  }

  /** The displaced request that is next to get a chain, or −1. */
  get nextDisplaced(): number {
    const [first = NONE] = this.#displaced.keys();
    return first;
  }

  /** Gives a request the longest free chain; only when there is one. Its jobs that needed one. */
  grant(request: number): readonly number[] {
    const chain = this.#free.shift() as number;
    this.#holder[chain] = request;
    this.#table.chain[request] = chain;
    const jobs = this.#displaced.get(request) ?? [];
    this.#displaced.delete(request);
    return jobs;
  }

  /** The request is over, wherever it is. True when that freed a chain. */
  leave(request: number): boolean {
    const table = this.#table;
    const chain = table.chain[request];
    if (chain === NONE) {
      const entry = request << table.shift;
      const isOutside = table.state[entry] === this.#queue;
      if (!this.#displaced.delete(request) && isOutside) this.#queues.remove(this.#queue, entry);
      return false;
    }
    table.chain[request] = NONE;
    this.#holder[chain] = NONE;
    this.#free.push(chain);
    return true;
  }

  /** A job of a displaced request waits until its request has a chain. */
  park(request: number, job: number): void {
    this.#table.state[job] = JOB.parked;
    this.#displaced.get(request)?.push(job);
  }

  /** A replica of the chain is up. */
  joined(chain: number): void {
    if (chain < this.#down.length && --this.#down[chain] === 0) this.#free.push(chain);
  }

  /** A replica of the chain is gone. */
  lost(chain: number): void {
    if (chain >= this.#down.length || this.#down[chain]++ > 0) return;
    const holder = this.#holder[chain];
    if (holder === NONE) {
      this.#free.splice(this.#free.indexOf(chain), 1);
      return;
    }
    this.#holder[chain] = NONE;
    this.#table.chain[holder] = NONE;
    this.#displaced.set(holder, []);
  }
}
