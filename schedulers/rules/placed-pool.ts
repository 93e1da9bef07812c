/** Pools for controllers that place each job at once, where their routing rules would. */
import { leastBy } from "../../engine/basics/iterables.ts";
import type { ClusterView } from "../../engine/dispatch/controller.ts";
import type { PoolView } from "../../engine/dispatch/policies.ts";
import { membersOf } from "../../engine/system/system.ts";

/** A pool now, as its routing rule sees it: every question about all replicas is O(replicas). */
export class PlacedPool implements PoolView {
  readonly up: readonly number[];
  readonly #view: ClusterView;

  constructor(view: ClusterView, pool: number) {
    this.up = membersOf(view.system.pools[pool]).filter((replica) => view.isUp(replica));
    this.#view = view;
  }

  get upCount(): number {
    return this.up.length;
  }

  upAt(i: number): number {
    return this.up[i];
  }

  waiting(replica: number): number {
    return this.#view.queueAt(replica).length;
  }

  load(replica: number): number {
    return this.waiting(replica) + this.#view.running(replica);
  }

  leastLoaded(): number {
    return leastBy(this.up, (replica) => this.load(replica)) as number;
  }

  soonestFree(): number {
    const view = this.#view;
    return leastBy(
      this.up,
      (replica) => view.freeUs(replica) + this.waiting(replica) * view.expectedUs(replica, 1),
    ) as number;
  }
}
