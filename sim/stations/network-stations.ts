/** The ways between gateway and workers. */
import type { System } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { EqualShares, groupReplicas } from "./sharing.ts";
import type { Station } from "./station.ts";

/** A time that passes without regard to other batches: half a round trip, bytes on a link alone. */
export class Delay implements Station {
  readonly #slots: WinnerTree;
  readonly #untilUs: (replica: number, nowUs: number) => number;

  /** `untilUs` gives the instant at which a batch that comes in goes on. */
  constructor(slots: WinnerTree, untilUs: (replica: number, nowUs: number) => number) {
    this.#slots = slots;
    this.#untilUs = untilUs;
  }

  enter(replica: number, nowUs: number): boolean {
    this.#slots.set(replica, this.#untilUs(replica, nowUs));
    return false;
  }

  due(): boolean {
    return true;
  }

  abandon(): void {}
}

/**
 * One direction of the nodes' links: the transfers under way on one link share its bandwidth
 * equally, so that n of them take n times as long each.
 */
export class FairLinks implements Station {
  readonly #links: readonly EqualShares[];
  readonly #nodeOf: Int32Array;
  readonly #aloneUs: Float64Array;

  /** `aloneUs` holds what the transfer of each replica's batch takes on the link alone. */
  constructor(system: System, aloneUs: Float64Array, slots: WinnerTree) {
    const nodes = system.replicas.map((replica) => replica.node);
    const { members, placeOf, groupOf } = groupReplicas(nodes, system.nodes.length);
    this.#links = members.map((each) => new EqualShares(each, placeOf, [1], slots));
    this.#nodeOf = groupOf;
    this.#aloneUs = aloneUs;
  }

  enter(replica: number, nowUs: number): boolean {
    if (this.#aloneUs[replica] === 0) return true;
    const link = this.#links[this.#nodeOf[replica]];
    link.add(replica, this.#aloneUs[replica], nowUs);
    link.rate(1, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    this.abandon(replica, nowUs);
    return true;
  }

  abandon(replica: number, nowUs: number): void {
    const link = this.#links[this.#nodeOf[replica]];
    link.remove(replica, nowUs);
    link.rate(1, nowUs);
  }
}
