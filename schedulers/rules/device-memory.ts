/** Models in the memory of devices, for a controller that loads them: one at a time; those unused for longest make room. */
import type { ClusterView, Controls, Residency } from "../../engine/dispatch/controller.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { System } from "../../engine/system/system.ts";
import { modelsOf, type SlotReplicas } from "./device-slots.ts";

interface Memory extends SlotReplicas {
  /** Models that are loaded on demand, and the memory for them. */
  readonly models: readonly number[];
  readonly roomMb: number;
  readonly lastUsedUs: Map<number, number>;
  /** Models that no batch has used since they were loaded. */
  readonly fresh: Set<number>;
  /** The model that was loaded last, until it is heard of. */
  loading: number;
  loadEndUs: number;
  /** After a load that found no room, the next is tried no sooner. */
  blockedUs: number;
}

/** Between a load that found no room and the next, at least. */
const LEAST_PAUSE_US = 1000;
const NONE = -1;

export class DeviceMemory {
  /** Whether any model is ever loaded. */
  readonly manages: boolean;
  /** Pools whose models are. */
  readonly pools: readonly number[];
  readonly #system: System;
  /** By pool. */
  readonly #modelOf: readonly number[];
  readonly #memories: ReadonlyMap<number, Memory>;

  constructor(system: System, slots: readonly SlotReplicas[]) {
    const { models, devices } = system;
    this.#system = system;
    this.#modelOf = modelsOf(system);
    this.manages = models.some(({ residency, loadUs }) => residency === "on-demand" && loadUs > 0);
    const pools = [...new Set(slots.flatMap(({ members }) => [...members.keys()]))];
    this.pools = pools.sort((a, b) => a - b).filter((id) => this.#isLoadable(this.#modelOf[id]));
    const memories = slots.map((one): [number, Memory] => {
      const own = [...new Set([...one.members.keys()].map((pool) => this.#modelOf[pool]))];
      const always = own.filter((model) => models[model].residency === "always");
      const roomMb = devices[one.slot].memoryMb - sumOf(always.map((id) => models[id].memoryMb));
      const loaded = own.filter((model) => this.#isLoadable(model));
      const empty = { lastUsedUs: new Map(), fresh: new Set<number>() };
      const idle = { loading: NONE, loadEndUs: 0, blockedUs: 0 };
      return [one.slot, { ...one, models: loaded, roomMb, ...empty, ...idle }];
    });
    this.#memories = new Map(memories);
  }

  /** A pool's model in the memory of a slot. */
  stateOf(view: ClusterView, slot: number, pool: number): Residency {
    const model = this.#modelOf[pool];
    return this.#isLoadable(model) ? view.residency(slot, model) : "resident";
  }

  /** When a pool's model is or could be in the memory of a slot. */
  readyUs(view: ClusterView, slot: number, pool: number): number {
    const { loadUs } = this.#system.models[this.#modelOf[pool]];
    const state = this.stateOf(view, slot, pool);
    if (state === "absent") return view.nowUs + loadUs;
    return Math.max(view.nowUs, state === "loading" ? this.#of(slot).loadEndUs : 0);
  }

  /** A batch of the pool was sent to the slot, or has run there. */
  used(slot: number, pool: number, nowUs: number): void {
    const { lastUsedUs, fresh } = this.#of(slot);
    lastUsedUs.set(this.#modelOf[pool], nowUs);
    fresh.delete(this.#modelOf[pool]);
  }

  /** `Controller.residency`. */
  heard(slot: number, model: number, state: Residency, nowUs: number): void {
    const memory = this.#memories.get(slot);
    if (memory === undefined || state === "loading") return;
    const { loading, lastUsedUs, fresh } = memory;
    if (loading === model) memory.loading = NONE;
    if (state === "resident") return;
    if (loading === model) {
      memory.blockedUs = nowUs + Math.max(LEAST_PAUSE_US, this.#system.models[model].loadUs);
    }
    lastUsedUs.delete(model);
    fresh.delete(model);
  }

  /**
   * Loads one model onto each slot that loads none, that of the highest priority which finds room. Priorities are by pool,
   * asked anew after each load; a model has those of its pools. When a slot that found no room may try again; Infinity: none has to.
   */
  load(view: ClusterView, act: Controls, priorities: () => ReadonlyMap<number, number>): number {
    let againUs = Number.POSITIVE_INFINITY;
    for (let goesOn = this.manages; goesOn; ) {
      const wanted = priorities();
      goesOn = [...this.#memories.values()].some((memory) => {
        const models = this.#wantedOn(view, memory, wanted);
        if (models.length === 0 || view.nowUs >= memory.blockedUs) {
          return models.some((model) => this.#loadOnto(view, act, memory, model));
        }
        againUs = Math.min(againUs, memory.blockedUs);
        return false;
      });
    }
    return againUs;
  }

  #wantedOn(
    view: ClusterView,
    { slot, models, members }: Memory,
    priorities: ReadonlyMap<number, number>,
  ): readonly number[] {
    if (models.some((model) => view.residency(slot, model) === "loading")) return [];
    const wanted = new Map<number, number>();
    for (const [pool, replicas] of members) {
      const own = priorities.get(pool) ?? 0;
      if (own === 0 || this.stateOf(view, slot, pool) !== "absent") continue;
      if (!replicas.some((id) => view.isUp(id))) continue;
      const model = this.#modelOf[pool];
      wanted.set(model, (wanted.get(model) ?? 0) + own);
    }
    const inOrder = [...wanted].sort(([a, one], [b, other]) => other - one || a - b);
    return inOrder.map(([model]) => model);
  }

  /** Evicts the models unused for longest until there is room; none when that is not enough. */
  #loadOnto(view: ClusterView, act: Controls, memory: Memory, model: number): boolean {
    const { slot, models, roomMb, lastUsedUs, fresh } = memory;
    const memoryMb = (one: number): number => this.#system.models[one].memoryMb;
    const usedUs = (one: number): number => lastUsedUs.get(one) ?? 0;
    const held = models.filter((one) => view.residency(slot, one) !== "absent");
    let freeMb = roomMb - sumOf(held.map(memoryMb));
    const victims: number[] = [];
    for (const one of held.sort((a, b) => usedUs(a) - usedUs(b) || a - b)) {
      if (freeMb >= memoryMb(model)) break;
      if (!this.#isEvictable(view, memory, one)) continue;
      victims.push(one);
      freeMb += memoryMb(one);
    }
    if (freeMb < memoryMb(model)) return false;
    for (const victim of victims) act.evict(slot, victim);
    memory.loading = model;
    memory.loadEndUs = view.nowUs + this.#system.models[model].loadUs;
    lastUsedUs.set(model, view.nowUs);
    fresh.add(model);
    act.load(slot, model);
    return true;
  }

  /** A model stays until it has served some of the jobs that it was loaded for. */
  #isEvictable(view: ClusterView, { members, fresh }: Memory, model: number): boolean {
    const own = [...members].filter(([pool]) => this.#modelOf[pool] === model);
    if (own.some(([, replicas]) => replicas.some((id) => view.running(id) > 0))) return false;
    return !fresh.has(model) || own.every(([pool]) => view.queue(pool).length === 0);
  }

  #isLoadable(model: number): boolean {
    return this.manages && this.#system.models[model].residency === "on-demand";
  }

  #of(slot: number): Memory {
    return this.#memories.get(slot) as Memory;
  }
}
