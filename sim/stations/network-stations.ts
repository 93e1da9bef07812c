/** The ways between gateway and workers. */
import type { System } from "../../core/system.ts";
import type { WinnerTree } from "../../core/winner-tree.ts";
import { EqualShares, groupReplicas } from "./sharing.ts";
import type { Station } from "./station.ts";

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
 * equally, so that n of them take n times as long each. `aloneUs` holds what the transfer of each
 * replica's batch takes on the link alone.
 */
export function fairLinks(system: System, aloneUs: Float64Array, slots: WinnerTree): Station {
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
      if (aloneUs[replica] === 0) return true;
      const link = links[groupOf[replica]];
      link.add(replica, aloneUs[replica], nowUs);
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
