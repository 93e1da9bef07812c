/** Device slots as controllers see them that run one batch at a time on each, and the models in their memory. */
import type { ClusterView, Controls, Residency } from "../../../engine/dispatch/controller.ts";
import { isHeld } from "../../../engine/dispatch/held-chains.ts";
import type { PoolPolicies } from "../../../engine/dispatch/policies.ts";
import type { System } from "../../../engine/system/system.ts";

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
  return devices.flatMap((_, slot) => {
    const members = new Map<number, number[]>();
    replicas.forEach((replica, id) => {
      if (replica.slot !== slot || !pools.includes(replica.pool)) return;
      const own = members.get(replica.pool) ?? [];
      own.push(id);
      members.set(replica.pool, own);
    });
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

/** A model that a slot holds or loads. */
interface Held {
  loading: boolean;
  lastUsedUs: number;
  /** Whether a batch has used it since it was loaded. */
  served: boolean;
}

interface Store extends SlotReplicas {
  readonly held: Map<number, Held>;
  /** Memory for models that are loaded on demand. */
  readonly roomMb: number;
  loadEndUs: number;
  /** After a load that found no room, the next is tried no sooner. */
  blockedUs: number;
}

/** The published default goal, which holds for requests that have none when demand is counted. */
const USUAL_GOAL_US = 100_000;
/** Between a load that found no room and the next, at least. */
const LEAST_PAUSE_US = 1000;

/**
 * Which models are in the memory of which device, as a controller decides it: the model with the most
 * demand that no device serves is loaded, one load at a time on each device, and the models unused
 * for longest make room.
 *
 *   unserved demand of a task = demand − Σ devices that hold its model: its share × min(1, 1 / load)
 *
 * Source: Gujarati et al., Clockwork, OSDI 2020, section 5.3.
 */
export class ModelResidency {
  /** Whether any model is ever loaded. */
  readonly manages: boolean;
  /** When a device that is blocked may load again; Infinity: none is. */
  wakeUs = Number.POSITIVE_INFINITY;
  readonly #system: System;
  /** By pool. */
  readonly #modelOf: readonly number[];
  readonly #stores: readonly Store[];
  readonly #storeOf: ReadonlyMap<number, Store>;

  constructor(system: System, slots: readonly SlotReplicas[]) {
    this.#system = system;
    this.#modelOf = modelsOf(system);
    this.manages = system.models.some(
      ({ residency, loadUs }) => residency === "on-demand" && loadUs > 0,
    );
    this.#stores = slots.map((one) => {
      const { slot, members } = one;
      const models = new Set([...members.keys()].map((pool) => this.#modelOf[pool]));
      const takenMb = [...models]
        .filter((model) => system.models[model].residency === "always")
        .reduce((sum, model) => sum + system.models[model].memoryMb, 0);
      const roomMb = system.devices[slot].memoryMb - takenMb;
      return { ...one, held: new Map(), roomMb, loadEndUs: 0, blockedUs: 0 };
    });
    this.#storeOf = new Map(this.#stores.map((store) => [store.slot, store]));
  }

  /** Models that are there already. */
  begin(view: ClusterView): void {
    for (const { slot, members } of this.#stores) {
      for (const pool of members.keys()) {
        const model = this.#modelOf[pool];
        const state = view.residency(slot, model);
        if (state !== "absent") this.heard(slot, model, state, view.nowUs);
      }
    }
  }

  /** Whether a pool's model is in the memory of a slot. */
  isResident(slot: number, pool: number): boolean {
    const model = this.#modelOf[pool];
    if (!this.#isLoadable(model)) return true;
    return this.#storeOf.get(slot)?.held.get(model)?.loading === false;
  }

  /** Whether it is there or being loaded. */
  holds(slot: number, pool: number): boolean {
    const model = this.#modelOf[pool];
    return !this.#isLoadable(model) || this.#storeOf.get(slot)?.held.has(model) === true;
  }

  /** When a pool's model is or could be in the memory of a slot. */
  readyUs(slot: number, pool: number, nowUs: number): number {
    const model = this.#modelOf[pool];
    if (this.isResident(slot, pool)) return nowUs;
    const store = this.#storeOf.get(slot);
    if (store?.held.get(model)?.loading === true) return Math.max(nowUs, store.loadEndUs);
    return nowUs + this.#system.models[model].loadUs;
  }

  /** A batch of the pool was sent to the slot, or has run there. */
  used(slot: number, pool: number, nowUs: number): void {
    const held = this.#storeOf.get(slot)?.held.get(this.#modelOf[pool]);
    if (held === undefined) return;
    held.served = true;
    held.lastUsedUs = nowUs;
  }

  /** The driver says what became of a command. */
  heard(slot: number, model: number, state: Residency, nowUs: number): void {
    const store = this.#storeOf.get(slot);
    if (store === undefined || !this.#isLoadable(model)) return;
    if (state === "absent") {
      if (store.held.get(model)?.loading === true) {
        store.blockedUs = nowUs + Math.max(LEAST_PAUSE_US, this.#system.models[model].loadUs);
      }
      store.held.delete(model);
      return;
    }
    const held = store.held.get(model);
    if (held !== undefined) held.loading = state === "loading";
    else store.held.set(model, { loading: state === "loading", lastUsedUs: 0, served: true });
  }

  decide(view: ClusterView, act: Controls): void {
    if (!this.manages) return;
    this.wakeUs = Number.POSITIVE_INFINITY;
    for (;;) {
      const unserved = this.#unservedDemands(view);
      if (!this.#stores.some((store) => this.#loadOne(view, act, store, unserved))) return;
    }
  }

  /** By pool; only where it is positive. */
  #unservedDemands(view: ClusterView): Map<number, number> {
    const pools = [...this.#modelOf.keys()].filter((pool) => this.#isLoadable(this.#modelOf[pool]));
    const all = pools.map((pool) => {
      const demand = demandOf(view, pool);
      const holders = this.#stores.filter(
        ({ held, members }) => members.has(pool) && held.has(this.#modelOf[pool]),
      );
      return { pool, demand, holders, share: demand / holders.length };
    });
    const loads = new Map<Store, number>();
    for (const { holders, share } of all) {
      for (const store of holders) loads.set(store, (loads.get(store) ?? 0) + share);
    }
    const unserved = all.map(({ pool, demand, holders, share }): [number, number] => {
      const servedOn = (store: Store): number => share * Math.min(1, 1 / (loads.get(store) ?? 1));
      return [pool, holders.reduce((left, store) => left - servedOn(store), demand)];
    });
    return new Map(unserved.filter(([, left]) => left > 1e-9));
  }

  /** Commands the load of the model with the most unserved demand, where there can be room for it. */
  #loadOne(
    view: ClusterView,
    act: Controls,
    store: Store,
    unserved: ReadonlyMap<number, number>,
  ): boolean {
    if ([...store.held.values()].some(({ loading }) => loading)) return false;
    const wanted = new Map<number, number>();
    for (const [pool, replicas] of store.members) {
      const model = this.#modelOf[pool];
      const own = unserved.get(pool) ?? 0;
      if (own === 0 || store.held.has(model) || !replicas.some((id) => view.isUp(id))) continue;
      wanted.set(model, (wanted.get(model) ?? 0) + own);
    }
    const inOrder = [...wanted].sort(([a, one], [b, other]) => other - one || a - b);
    if (inOrder.length > 0 && view.nowUs < store.blockedUs) {
      this.wakeUs = Math.min(this.wakeUs, store.blockedUs);
      return false;
    }
    const model = inOrder
      .map(([each]) => each)
      .find((each) => this.#makeRoom(view, act, store, each));
    if (model === undefined) return false;
    const { slot, held } = store;
    held.set(model, { loading: true, lastUsedUs: view.nowUs, served: false });
    store.loadEndUs = view.nowUs + this.#system.models[model].loadUs;
    act.load(slot, model);
    return true;
  }

  /** Evicts the models unused for longest until there is room; none when that is not enough. */
  #makeRoom(view: ClusterView, act: Controls, store: Store, model: number): boolean {
    const memoryMb = (each: number): number => this.#system.models[each].memoryMb;
    const takenMb = [...store.held.keys()].reduce((sum, each) => sum + memoryMb(each), 0);
    let freeMb = store.roomMb - takenMb;
    const victims: number[] = [];
    const byUse = [...store.held].sort(
      ([a, one], [b, other]) => one.lastUsedUs - other.lastUsedUs || a - b,
    );
    for (const [each, held] of byUse) {
      if (freeMb >= memoryMb(model)) break;
      if (!this.#isEvictable(view, store, each, held)) continue;
      victims.push(each);
      freeMb += memoryMb(each);
    }
    if (freeMb < memoryMb(model)) return false;
    for (const victim of victims) {
      store.held.delete(victim);
      act.evict(store.slot, victim);
    }
    return true;
  }

  /** A model stays until it has served some of the jobs that it was loaded for. */
  #isEvictable(view: ClusterView, { members }: Store, model: number, held: Held): boolean {
    if (held.loading) return false;
    const own = [...members].filter(([pool]) => this.#modelOf[pool] === model);
    if (own.some(([, replicas]) => replicas.some((id) => view.running(id) > 0))) return false;
    return held.served || own.every(([pool]) => demandOf(view, pool) === 0);
  }

  #isLoadable(model: number): boolean {
    return this.manages && this.#system.models[model].residency === "on-demand";
  }
}

/** Device time that waiting jobs of a pool ask for, per time until they are due. */
function demandOf(view: ClusterView, pool: number): number {
  const { length } = view.queue(pool);
  if (length === 0) return 0;
  const replica = view.system.pools[pool].first;
  const { deadlineUs, arrivedUs } = view.queue(pool).next;
  const goalUs = Math.min(deadlineUs - arrivedUs, USUAL_GOAL_US);
  return (length * view.expectedUs(replica, 1)) / Math.max(1, goalUs);
}
