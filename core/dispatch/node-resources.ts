/**
 * Resources of the nodes beyond device slots. A batch takes its pool's demand from its node when it
 * starts and gives it back when it ends, is lost or is pre-empted, so a run log holds no more than
 * starts and ends. No batch starts where its demand does not fit.
 */
import { assert } from "../fault.ts";
import type { System } from "../system.ts";

export class NodeResources {
  /** By node, then by resource. */
  readonly #free: number[][];
  /** By node: its replicas whose batches demand something, in order. */
  readonly #demanding: readonly (readonly number[])[];

  constructor(private readonly system: System) {
    this.#free = system.nodes.map(({ resources }) => [...resources]);
    const demanding: number[][] = system.nodes.map(() => []);
    system.replicas.forEach(({ node }, replica) => {
      if (this.#demandOf(replica) !== null) demanding[node].push(replica);
    });
    this.#demanding = demanding;
  }

  /** Null where no pool demands any, which costs nothing. */
  static of(system: System): NodeResources | null {
    return system.pools.some(demandsAny) ? new NodeResources(system) : null;
  }

  freeOf(node: number, resource: number): number {
    return this.#free[node][resource];
  }

  fits(replica: number): boolean {
    const free = this.#free[this.system.replicas[replica].node];
    return this.#demandOf(replica)?.every((amount, r) => amount <= free[r]) ?? true;
  }

  take(replica: number): void {
    assert(this.fits(replica), "a batch starts where its node has what it demands");
    this.#change(replica, -1);
  }

  give(replica: number): void {
    this.#change(replica, 1);
  }

  /**
   * Replicas whose batches may fit when that on `replica` has ended: the next one of the node first,
   * itself last.
   */
  waitingFor(replica: number): readonly number[] {
    if (this.#demandOf(replica) === null) return [];
    const here = this.#demanding[this.system.replicas[replica].node];
    const next = here.indexOf(replica) + 1;
    return [...here.slice(next), ...here.slice(0, next)];
  }

  #change(replica: number, sign: number): void {
    const free = this.#free[this.system.replicas[replica].node];
    this.#demandOf(replica)?.forEach((amount, r) => {
      free[r] += sign * amount;
    });
  }

  #demandOf(replica: number): readonly number[] | null {
    const pool = this.system.pools[this.system.replicas[replica].pool];
    return demandsAny(pool) ? pool.demand : null;
  }
}

/** Whether batches of a pool take resources of their nodes. */
export function demandsAny({ demand }: System["pools"][number]): boolean {
  return demand.some((amount) => amount > 0);
}
