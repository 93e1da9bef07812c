/**
 * A place where batches spend time on their way. A batch is named by the replica that it is for, and
 * it is at one station at a time, so the replica's one slot in the calendar says when it goes on.
 */
export interface Station {
  /** A batch comes in. True: it goes on at once and no slot was set. */
  enter(replica: number, nowUs: number): boolean;
  /** The replica's slot was due. True: its batch goes on; false: the slot is set anew. */
  due(replica: number, nowUs: number): boolean;
  /** The batch that is here goes no further. Its own slot is the caller's to clear. */
  abandon(replica: number, nowUs: number): void;
}

/** The stations that every batch passes, in order, and the place of each batch. */
export class Route {
  readonly #stations: readonly Station[];
  /** Station of each replica's batch. */
  readonly #at: Uint8Array;

  constructor(stations: readonly Station[], replicas: number) {
    this.#stations = stations;
    this.#at = new Uint8Array(replicas);
  }

  /** A batch sets out. True when it is through all stations already. */
  start(replica: number, nowUs: number): boolean {
    this.#at[replica] = 0;
    return this.#goOn(replica, nowUs);
  }

  /** The replica's slot was due. True when its batch is through the last station. */
  due(replica: number, nowUs: number): boolean {
    if (!this.#stations[this.#at[replica]].due(replica, nowUs)) return false;
    this.#at[replica]++;
    return this.#goOn(replica, nowUs);
  }

  /** The batch goes no further. False when it was through already. */
  abandon(replica: number, nowUs: number): boolean {
    const at = this.#at[replica];
    if (at === this.#stations.length) return false;
    this.#stations[at].abandon(replica, nowUs);
    return true;
  }

  #goOn(replica: number, nowUs: number): boolean {
    const stations = this.#stations;
    while (this.#at[replica] < stations.length) {
      if (!stations[this.#at[replica]].enter(replica, nowUs)) return false;
      this.#at[replica]++;
    }
    return true;
  }
}
