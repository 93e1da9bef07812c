/** Device slots as controllers see them that run one batch at a time on each. */
import { grouped } from "../../engine/basics/iterables.ts";
import type { ClusterView } from "../../engine/dispatch/controller.ts";
import { isHeld } from "../../engine/dispatch/held-chains.ts";
import type { PoolPolicies } from "../../engine/dispatch/policies.ts";
import type { System } from "../../engine/system/system.ts";

/** The replicas on one slot. */
export interface SlotReplicas {
  readonly slot: number;
  readonly replicas: readonly number[];
  /** By pool, in the system's order. */
  readonly members: ReadonlyMap<number, readonly number[]>;
}

/** Pools whose jobs a controller may place: all but those of held chains. */
export function placeablePools(system: System): number[] {
  return [...system.pools.keys()].filter((pool) => !isHeld(system, pool));
}

/** Slots that host replicas of these pools. */
export function slotsOf({ devices, replicas }: System, pools: readonly number[]): SlotReplicas[] {
  const hosted = [...replicas.keys()].filter((id) => pools.includes(replicas[id].pool));
  const bySlot = grouped(hosted, (id) => replicas[id].slot);
  return [...devices.keys()].flatMap((slot) => {
    const members = grouped(bySlot.get(slot) ?? [], (id) => replicas[id].pool);
    return members.size === 0 ? [] : [{ slot, replicas: [...members.values()].flat(), members }];
  });
}

/** By pool: the largest batch that its model and its batching rule take. */
export function batchLimits({ pools }: System, policies: readonly PoolPolicies[]): number[] {
  return pools.map(({ maxBatch }, pool) => Math.min(maxBatch, policies[pool].batching.maxBatch));
}

export function isIdle(view: ClusterView, replica: number): boolean {
  return view.isUp(replica) && view.running(replica) === 0;
}

/** The first of these replicas that is up and idle. */
export function idleOf(view: ClusterView, replicas: readonly number[]): number | undefined {
  return replicas.find((replica) => isIdle(view, replica));
}

/** The replica of a slot that runs a batch. */
export function runningOn(view: ClusterView, { replicas }: SlotReplicas): number | undefined {
  return replicas.find((replica) => view.running(replica) > 0);
}

/** The model of each pool, by its number. */
export function modelsOf({ pools, models }: System): number[] {
  return pools.map(({ model }) => models.findIndex(({ name }) => name === model));
}
