/** The links to all replicas that there are; others are room for more. */
import { assert } from "../../core/fault.ts";
import type { InferenceClient } from "../protocol/client.ts";
import { type LinkChanged, ReplicaLink } from "./replica-link.ts";
import { WorkerConnection } from "./worker-connection.ts";

export class ReplicaLinks {
  readonly #connect: (address: string) => InferenceClient;
  readonly #links: (ReplicaLink | null)[];
  /** Replicas that came later, or have no model now: they are missed only once they have been up. */
  readonly #later = new Set<number>();
  /** One to each worker, by address. */
  readonly #connections = new Map<string, WorkerConnection>();

  constructor(replicas: number, connect: (address: string) => InferenceClient) {
    this.#connect = connect;
    this.#links = new Array<ReplicaLink | null>(replicas).fill(null);
  }

  /** Null where there is no replica. */
  get(replica: number): ReplicaLink | null {
    return this.#links[replica];
  }

  of(replica: number): ReplicaLink {
    const link = this.#links[replica];
    assert(link !== null, "a batch goes to a replica that there is");
    return link;
  }

  /** By replica. */
  get all(): readonly (ReplicaLink | null)[] {
    return this.#links;
  }

  /** Whether every replica is up that is expected to be. */
  get ready(): boolean {
    return this.#links.every((link, replica) => {
      if (link?.up === true) this.#later.delete(replica);
      return link === null || link.up || this.#later.has(replica);
    });
  }

  attach(replica: number, name: string, address: string, changed: LinkChanged): ReplicaLink {
    assert(this.#links[replica] === null, "a replica has one link");
    const link = new ReplicaLink(name, this.#connectionTo(address), changed);
    this.#links[replica] = link;
    return link;
  }

  /** Says that a replica is not missed until it has been up. */
  notMissed(replica: number): void {
    this.#later.add(replica);
  }

  detach(replica: number): void {
    const link = this.#links[replica];
    if (link === null) return;
    link.close();
    this.#links[replica] = null;
    this.#later.delete(replica);
    if (this.#links.some((other) => other?.address === link.address)) return;
    this.#connections.get(link.address)?.close();
    this.#connections.delete(link.address);
  }

  close(): void {
    for (const link of this.#links) link?.close();
    for (const connection of this.#connections.values()) connection.close();
  }

  #connectionTo(address: string): WorkerConnection {
    const known = this.#connections.get(address);
    if (known !== undefined) return known;
    const connection = new WorkerConnection(address, this.#connect);
    this.#connections.set(address, connection);
    return connection;
  }
}
