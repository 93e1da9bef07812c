import type { System } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { EqualShares, groupReplicas } from "./sharing.ts";

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
  /** Station of each replica's batch. */
  readonly #at: Uint8Array;

  constructor(
    private readonly stations: readonly Station[],
    replicas: number,
  ) {
    this.#at = new Uint8Array(replicas);
  }

  /** A batch sets out. True when it is through all stations already. */
  start(replica: number, nowUs: number): boolean {
    this.#at[replica] = 0;
    return this.#goOn(replica, nowUs);
  }

  /** The replica's slot was due. True when its batch is through the last station. */
  due(replica: number, nowUs: number): boolean {
    if (!this.stations[this.#at[replica]].due(replica, nowUs)) return false;
    this.#at[replica]++;
    return this.#goOn(replica, nowUs);
  }

  /** The batch goes no further. False when it was through already. */
  abandon(replica: number, nowUs: number): boolean {
    const at = this.#at[replica];
    if (at === this.stations.length) return false;
    this.stations[at].abandon(replica, nowUs);
    return true;
  }

  #goOn(replica: number, nowUs: number): boolean {
    const { stations } = this;
    while (this.#at[replica] < stations.length) {
      if (!stations[this.#at[replica]].enter(replica, nowUs)) return false;
      this.#at[replica]++;
    }
    return true;
  }
}

/**
 * A time that passes without regard to other batches: half a round trip, bytes on a link alone. `untilUs`
 * gives the instant at which a batch that comes in goes on.
 */
export function delay(
  slots: WinnerTree,
  untilUs: (replica: number, nowUs: number) => number,
): Station {
  return {
    enter: (replica, nowUs) => {
      slots.set(replica, untilUs(replica, nowUs));
      return false;
    },
    due: () => true,
    abandon: () => undefined,
  };
}

/**
 * One direction of the nodes' links: the transfers under way on one link share its bandwidth
 * equally, so that n of them take n times as long each. `aloneUs` is the time that the transfer of a
 * replica's batch takes on the link alone.
 */
export function fairLinks(
  system: System,
  aloneUs: (replica: number) => number,
  slots: WinnerTree,
): Station {
  const nodes = system.replicas.map((replica) => replica.node);
  const { members, placeOf, groupOf } = groupReplicas(nodes, system.nodes.length);
  const links = members.map((each) => new EqualShares(each, placeOf, [1], slots));
  const abandon = (replica: number, nowUs: number): void => {
    const link = links[groupOf[replica]];
    link.remove(replica, nowUs);
    link.rate(1, nowUs);
  };
  return {
    enter: (replica, nowUs) => {
      const us = aloneUs(replica);
      if (us === 0) return true;
      const link = links[groupOf[replica]];
      link.add(replica, us, nowUs);
      link.rate(1, nowUs);
      return false;
    },
    due: (replica, nowUs) => {
      abandon(replica, nowUs);
      return true;
    },
    abandon,
  };
}
