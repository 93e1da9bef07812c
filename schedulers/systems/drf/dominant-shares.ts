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
export class DominantShares<Name extends string | number> {
  #totals: Amounts;
  readonly #clients = new Map<Name, Client>();

  constructor(totals: Amounts) {
    this.#totals = totals;
  }

  /** The cluster has grown or shrunk. */
  setTotals(totals: Amounts): void {
    this.#totals = totals;
  }

  add(name: Name, weight = 1): void {
    const used = this.#totals.map(() => 0);
    this.#clients.set(name, { weight, used, allocations: 0 });
  }

  remove(name: Name): void {
    this.#clients.delete(name);
  }

  allocate(name: Name, amounts: Amounts): void {
    const { used } = this.#client(name);
    for (let r = 0; r < used.length; r++) used[r] += amounts[r];
    this.#client(name).allocations++;
  }

  release(name: Name, amounts: Amounts): void {
    const { used } = this.#client(name);
    for (let r = 0; r < used.length; r++) used[r] -= amounts[r];
  }

  usedBy(name: Name): Amounts {
    return this.#client(name).used;
  }

  /** Without its weight. A resource that nobody has gives no share. */
  shareOf(name: Name): number {
    const { used } = this.#client(name);
    let most = 0;
    for (let r = 0; r < used.length; r++) {
      if (this.#totals[r] > 0) most = Math.max(most, used[r] / this.#totals[r]);
    }
    return most;
  }

  /** The client to serve next first. */
  order(): Name[] {
    const ranked = [...this.#clients].map(([name, { weight, allocations }]) => ({
      name,
      allocations,
      share: this.shareOf(name) / weight,
    }));
    // The sort is stable, so equal clients stay in the order in which they were added.
    ranked.sort((a, b) => a.share - b.share || a.allocations - b.allocations);
    return ranked.map(({ name }) => name);
  }

  #client(name: Name): Client {
    const client = this.#clients.get(name);
    assert(client !== undefined, `there is a client ${name}`);
    return client;
  }
}

export interface FillingClient {
  readonly name: string;
  /** Of each of its tasks. */
  readonly demand: Amounts;
  readonly weight?: number;
  /** Default: as many as there is room for. */
  readonly tasks?: number;
}

interface FillingStep {
  readonly name: string;
  /** The client's dominant share after it. */
  readonly share: number;
}

/**
 * Progressive filling: one task after another to the client with the smallest weighted dominant
 * share, from an empty cluster. `stop` ends at the first task that does not fit, as algorithm 1
 * does; `skip` goes on with the clients whose tasks fit.
 */
export function progressiveFilling(
  totals: Amounts,
  clients: readonly FillingClient[],
  whenFull: "stop" | "skip" = "stop",
): FillingStep[] {
  const shares = new DominantShares<string>(totals);
  const left = new Map(clients.map((client) => [client.name, client]));
  const counts = new Map(clients.map(({ name }) => [name, 0]));
  const used = totals.map(() => 0);
  const steps: FillingStep[] = [];
  for (const { name, weight } of clients) shares.add(name, weight);
  while (left.size > 0) {
    const next = shares.order().find((name) => left.has(name)) as string;
    const { demand, tasks = Number.POSITIVE_INFINITY } = left.get(next) as FillingClient;
    assert(
      tasks < Number.POSITIVE_INFINITY || demand.some((amount) => amount > 0),
      "a client with any number of tasks demands something",
    );
    const count = counts.get(next) as number;
    const fits = used.every((amount, r) => amount + demand[r] <= totals[r]);
    if (count < tasks && !fits && whenFull === "stop") return steps;
    if (count >= tasks || !fits) {
      left.delete(next);
      continue;
    }
    demand.forEach((amount, r) => {
      used[r] += amount;
    });
    counts.set(next, count + 1);
    shares.allocate(next, demand);
    steps.push({ name: next, share: shares.shareOf(next) });
  }
  return steps;
}
