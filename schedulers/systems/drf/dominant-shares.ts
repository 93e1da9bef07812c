/**
 * Dominant Resource Fairness: max-min fairness among clients over several resources.
 *
 *   s_i = max over resources r of u_ir / R_r        next = argmin s_i / w_i
 *
 * u_ir is what client i holds of resource r, R_r all that there is, s_i its dominant share, w_i its weight.
 *
 * Source: Ghodsi et al., Dominant Resource Fairness, NSDI 2011, sections 4.1 (algorithm 1, table 1) and 4.3 (weights). Equal
 * shares: Mesos' sorter takes the client with fewer allocations so far, then the first name; here the one added first.
 */

/** By resource, in its own unit. */
export type Amounts = readonly number[];

interface Client {
  readonly id: number;
  readonly w: number;
  readonly u: number[];
  /** Made so far, those that were given back too. */
  allocations: number;
}

export class DominantShares {
  readonly #totals: Amounts;
  readonly #clients = new Map<number, Client>();

  constructor(totals: Amounts) {
    this.#totals = totals;
  }

  add(id: number, weight: number): void {
    this.#clients.set(id, { id, w: weight, u: this.#totals.map(() => 0), allocations: 0 });
  }

  allocate(id: number, amounts: Amounts): void {
    const client = this.#client(id);
    for (const [r, amount] of amounts.entries()) client.u[r] += amount;
    client.allocations++;
  }

  release(id: number, amounts: Amounts): void {
    const { u } = this.#client(id);
    for (const [r, amount] of amounts.entries()) u[r] -= amount;
  }

  /** s_i. A resource that nobody has gives no share. */
  shareOf(id: number): number {
    const R = this.#totals;
    return Math.max(0, ...this.#client(id).u.map((u, r) => (R[r] > 0 ? u / R[r] : 0)));
  }

  /** The client to serve next first. */
  order(): number[] {
    const rank = ({ id, w }: Client): number => this.shareOf(id) / w;
    // The sort is stable, so equal clients stay in the order in which they were added.
    return [...this.#clients.values()]
      .sort((a, b) => rank(a) - rank(b) || a.allocations - b.allocations)
      .map(({ id }) => id);
  }

  #client(id: number): Client {
    return this.#clients.get(id) as Client;
  }
}
