/**
 * Dominant Resource Fairness. A client's dominant share is the largest share that it holds of any
 * resource; the client with the smallest one, over its weight, is served next.
 *
 *   s_i = max over resources r of used_i[r] / total[r]        next = argmin s_i / w_i
 *
 * Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, sections 4.1 (algorithm 1, table
 * 1) and 4.3 (weights). Equal shares: Mesos' sorter takes the client with fewer allocations so far,
 * then the first name; here the client that was added first.
 */
import { assert } from "../../../core/fault.ts";

/** Amounts by resource, in the resource's own unit. */
export type Amounts = readonly number[];

interface Client {
  readonly weight: number;
  readonly used: number[];
  /** Made so far, those that were given back too. */
  allocations: number;
}

/** Clients in order of their weighted dominant shares. */
export class DominantShares {
  readonly #totals: Amounts;
  /** By number. */
  readonly #clients = new Map<number, Client>();

  constructor(totals: Amounts) {
    this.#totals = totals;
  }

  add(id: number, weight: number): void {
    const used = this.#totals.map(() => 0);
    this.#clients.set(id, { weight, used, allocations: 0 });
  }

  allocate(id: number, amounts: Amounts): void {
    const client = this.#client(id);
    for (let r = 0; r < amounts.length; r++) client.used[r] += amounts[r];
    client.allocations++;
  }

  release(id: number, amounts: Amounts): void {
    const { used } = this.#client(id);
    for (let r = 0; r < used.length; r++) used[r] -= amounts[r];
  }

  /** Without its weight. A resource that nobody has gives no share. */
  shareOf(id: number): number {
    const shares = this.#client(id).used.map((amount, r) =>
      this.#totals[r] > 0 ? amount / this.#totals[r] : 0,
    );
    return Math.max(0, ...shares);
  }

  /** The client to serve next first. */
  order(): number[] {
    const ranked = [...this.#clients].map(([id, { weight, allocations }]) => ({
      id,
      allocations,
      share: this.shareOf(id) / weight,
    }));
    // The sort is stable, so equal clients stay in the order in which they were added.
    ranked.sort((a, b) => a.share - b.share || a.allocations - b.allocations);
    return ranked.map(({ id }) => id);
  }

  #client(id: number): Client {
    const client = this.#clients.get(id);
    assert(client !== undefined, `there is a client ${id}`);
    return client;
  }
}
