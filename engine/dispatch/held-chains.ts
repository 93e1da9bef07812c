/**
 * Pipelines whose requests each hold a whole chain of replicas: chain c is replica c of every pool
 * of the pipeline. A request waits at the gate until a chain is free and all its replicas are up,
 * and its jobs go to that chain. A request whose chain breaks gives it up and takes the next whole
 * one, ahead of all that wait at the gate: what it has done stays done.
 */
import type { System } from "../system/system.ts";
import type { ClusterView, Controller, Controls, JobView } from "./controller.ts";

const NONE = -1;

/** The gate of one pipeline. */
interface Gate {
  readonly pools: readonly number[];
  /** Free and whole chains, the longest free first. */
  readonly free: number[];
  /** By chain: the request that holds it, or −1; and its replicas that are down. */
  readonly holder: Int32Array;
  readonly down: Int32Array;
  /** Requests that wait to be let in. */
  readonly outside: Set<number>;
  /** Requests inside without a chain, in order of loss, with their jobs that need one. */
  readonly displaced: Map<number, number[]>;
}

/** Whether requests of some pipeline hold chains of the pool's replicas. */
export function isHeld({ pipelines }: System, pool: number): boolean {
  return pipelines.some(({ held, tasks }) => held && tasks.some((task) => task.pool === pool));
}

export class HeldChains implements Controller {
  readonly #system: System;
  readonly pools: readonly number[];
  /** By pipeline; null unless its requests hold chains. */
  readonly #gates: readonly (Gate | null)[];
  /** By request: its gate, and its chain or −1. */
  readonly #inside = new Map<number, { readonly gate: Gate; chain: number }>();
  /** Jobs that have not been placed yet. */
  #fresh: { readonly job: number; readonly request: number }[] = [];

  /** All replicas start down. */
  constructor(system: System) {
    this.#system = system;
    this.pools = [...system.pools.keys()].filter((pool) => isHeld(system, pool));
    this.#gates = system.pipelines.map(({ held, chains, tasks }) =>
      held
        ? {
            pools: tasks.map(({ pool }) => pool),
            free: [],
            holder: new Int32Array(chains).fill(NONE),
            down: new Int32Array(chains).fill(tasks.length),
            outside: new Set(),
            displaced: new Map(),
          }
        : null,
    );
  }

  /** −1: none. */
  chainOf(request: number): number {
    return this.#inside.get(request)?.chain ?? NONE;
  }

  waits(request: number, pipeline: number): boolean {
    const gate = this.#gates[pipeline];
    if (gate === null) return false;
    this.#inside.set(request, { gate, chain: NONE });
    gate.outside.add(request);
    return true;
  }

  queued({ job, request }: JobView): void {
    this.#fresh.push({ job, request });
  }

  ended(request: number): void {
    const found = this.#inside.get(request);
    if (found === undefined) return;
    const { gate, chain } = found;
    this.#inside.delete(request);
    gate.outside.delete(request);
    gate.displaced.delete(request);
    this.#fresh = this.#fresh.filter((one) => one.request !== request);
    if (chain === NONE) return;
    gate.holder[chain] = NONE;
    gate.free.push(chain);
  }

  changed(replica: number, state: "up" | "down" | "left"): void {
    const { pool } = this.#system.replicas[replica];
    const chain = replica - this.#system.pools[pool].first;
    for (const gate of this.#gates) {
      if (gate === null || chain >= gate.down.length || !gate.pools.includes(pool)) continue;
      if (state === "up" && --gate.down[chain] === 0) gate.free.push(chain);
      if (state === "down" && gate.down[chain]++ === 0) this.#breaks(gate, chain);
    }
  }

  #breaks(gate: Gate, chain: number): void {
    const holder = gate.holder[chain];
    if (holder === NONE) {
      gate.free.splice(gate.free.indexOf(chain), 1);
      return;
    }
    gate.holder[chain] = NONE;
    const inside = this.#inside.get(holder);
    if (inside !== undefined) inside.chain = NONE;
    gate.displaced.set(holder, []);
  }

  decide(view: ClusterView, act: Controls): void {
    do {
      for (const gate of this.#gates) if (gate !== null) this.#open(gate, act);
      for (const { job } of this.#fresh.splice(0)) this.#place(job, view, act);
    } while (this.#gates.some((gate) => gate !== null && gate.free.length > 0 && wanted(gate)));
  }

  #open(gate: Gate, act: Controls): void {
    while (gate.free.length > 0 && wanted(gate)) {
      const [lost = NONE] = gate.displaced.keys();
      if (lost !== NONE) {
        this.#grant(gate, lost);
        const jobs = gate.displaced.get(lost) ?? [];
        this.#fresh.push(...jobs.map((job) => ({ job, request: lost })));
        gate.displaced.delete(lost);
        continue;
      }
      const [first] = gate.outside;
      gate.outside.delete(first);
      this.#grant(gate, first);
      act.enter(first);
    }
  }

  #grant(gate: Gate, request: number): void {
    const chain = gate.free.shift() as number;
    gate.holder[chain] = request;
    this.#inside.set(request, { gate, chain });
  }

  #place(job: number, view: ClusterView, act: Controls): void {
    // A join may have gone on without it.
    if (!view.isWaiting(job)) return;
    const { request, pipeline, task } = view.job(job);
    const inside = this.#inside.get(request);
    if (inside === undefined) return;
    if (inside.chain === NONE) {
      inside.gate.displaced.get(request)?.push(job);
      return;
    }
    const { pool } = this.#system.pipelines[pipeline].tasks[task];
    act.assign(job, this.#system.pools[pool].first + inside.chain);
  }
}

function wanted({ outside, displaced }: Gate): boolean {
  return outside.size + displaced.size > 0;
}
