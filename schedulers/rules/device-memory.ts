/** The memory of a device, for a controller that loads models: one at a time; those unused for longest make room. */
import { grouped } from "../../engine/basics/iterables.ts";
import type { ClusterView, Controls, Residency } from "../../engine/dispatch/controller.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { System } from "../../engine/system/system.ts";
import type { SlotReplicas } from "./device-slots.ts";

/** Between a load that found no room and the next, at least. */
const LEAST_PAUSE_US = 1000;

/** Models that are loaded on demand; none where no load takes time. */
export function loadableModels({ models }: System): ReadonlySet<number> {
  const onDemand = [...models.keys()].filter((id) => models[id].residency === "on-demand");
  return new Set(onDemand.some((id) => models[id].loadUs > 0) ? onDemand : []);
}

export class DeviceMemory {
  /** After a load that found no room, the next is tried no sooner. */
  retryUs = 0;
  readonly #slot: number;
  readonly #models: System["models"];
  /** By pool. */
  readonly #modelOf: readonly number[];
  /** By model that is loaded on demand: its pools here, each with its replicas. */
  readonly #poolsOf: ReadonlyMap<number, readonly (readonly [number, readonly number[]])[]>;
  /** Memory for those. */
  readonly #roomMb: number;
  /** By model: when a batch used it last, else when its load began. */
  readonly #usedUs = new Map<number, number>();
  /** Models that no batch has used since they were loaded. */
  readonly #fresh = new Set<number>();
  /** The model that was loaded last, until it is heard of. */
  #loading: number | null = null;

  constructor(system: System, modelOf: readonly number[], { slot, members }: SlotReplicas) {
    const { models, devices } = system;
    const loadable = loadableModels(system);
    const own = grouped(members, ([pool]) => modelOf[pool]);
    const always = [...own.keys()].filter((model) => models[model].residency === "always");
    this.#slot = slot;
    this.#models = models;
    this.#modelOf = modelOf;
    this.#poolsOf = new Map([...own].filter(([model]) => loadable.has(model)));
    this.#roomMb = devices[slot].memoryMb - sumOf(always.map((model) => models[model].memoryMb));
  }

  /** A pool's model in this memory. */
  stateOf(view: ClusterView, pool: number): Residency {
    const model = this.#modelOf[pool];
    return this.#poolsOf.has(model) ? view.residency(this.#slot, model) : "resident";
  }

  /** When a pool's model is or could be there. */
  readyUs(view: ClusterView, pool: number): number {
    const model = this.#modelOf[pool];
    const state = this.stateOf(view, pool);
    const startUs = state === "loading" ? this.#usedUs.get(model) : view.nowUs;
    if (state === "resident" || startUs === undefined) return view.nowUs;
    return Math.max(view.nowUs, startUs + this.#models[model].loadUs);
  }

  /** A batch of the pool was sent to the device, or has run there. */
  used(pool: number, nowUs: number): void {
    this.#usedUs.set(this.#modelOf[pool], nowUs);
    this.#fresh.delete(this.#modelOf[pool]);
  }

  /** `Controller.residency`. */
  heard(model: number, state: Residency, nowUs: number): void {
    if (state === "loading") return;
    const isAnswer = this.#loading === model;
    if (isAnswer) this.#loading = null;
    if (state === "resident") return;
    if (isAnswer) this.retryUs = nowUs + Math.max(LEAST_PAUSE_US, this.#models[model].loadUs);
    this.#usedUs.delete(model);
    this.#fresh.delete(model);
  }

  /**
   * Loads the model of the highest priority that finds room, unless one is being loaded; whether it does. Priorities are
   * by pool, and a model has those of its pools.
   */
  load(view: ClusterView, act: Controls, priorities: ReadonlyMap<number, number>): boolean {
    const states = grouped(this.#poolsOf.keys(), (model) => view.residency(this.#slot, model));
    if (view.nowUs < this.retryUs || states.has("loading")) return false;
    const { absent = [], resident = [] } = Object.fromEntries(states);
    const priorityOf = (model: number): number => {
      const pools = this.#poolsOf.get(model) ?? [];
      const up = pools.filter(([, replicas]) => replicas.some((replica) => view.isUp(replica)));
      return sumOf(up.map(([pool]) => priorities.get(pool) ?? 0));
    };
    return absent
      .map((model) => ({ model, priority: priorityOf(model) }))
      .filter(({ priority }) => priority > 0)
      .sort((a, b) => b.priority - a.priority || a.model - b.model)
      .some(({ model }) => this.#loadOne(view, act, model, resident));
  }

  /** Evicts the models unused for longest until there is room; none when that is not enough. */
  #loadOne(view: ClusterView, act: Controls, model: number, resident: readonly number[]): boolean {
    const memoryMb = (one: number): number => this.#models[one].memoryMb;
    const usedUs = (one: number): number => this.#usedUs.get(one) ?? 0;
    const oldest = resident.toSorted((a, b) => usedUs(a) - usedUs(b) || a - b);
    let freeMb = this.#roomMb - sumOf(resident.map(memoryMb));
    const victims: number[] = [];
    for (const one of oldest.filter((each) => this.#isEvictable(view, each))) {
      if (freeMb >= memoryMb(model)) break;
      victims.push(one);
      freeMb += memoryMb(one);
    }
    if (freeMb < memoryMb(model)) return false;
    for (const victim of victims) act.evict(this.#slot, victim);
    this.#loading = model;
    this.#usedUs.set(model, view.nowUs);
    this.#fresh.add(model);
    act.load(this.#slot, model);
    return true;
  }

  /** A model stays until it has served some of the jobs that it was loaded for. */
  #isEvictable(view: ClusterView, model: number): boolean {
    const pools = this.#poolsOf.get(model) ?? [];
    if (pools.some(([, replicas]) => replicas.some((id) => view.running(id) > 0))) return false;
    return !this.#fresh.has(model) || pools.every(([pool]) => view.queue(pool).length === 0);
  }
}
