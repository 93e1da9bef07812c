/**
 * Models in the memory of a device slot. The replicas of one model on a slot share one copy of it.
 * A batch that finds its model absent has it loaded: one load at a time on each slot, in order
 * of coming. Room is made by evicting models that no batch uses, the one unused for longest first.
 * A load that finds no room holds back every later batch of its slot, those of loaded models too,
 * until running ones have left enough: it cannot starve. Controllers may load and evict besides:
 * a load by command waits in the same line, and a model in use stays.
 */

import type { WinnerTree } from "../basics/priority-queues.ts";
import type { Residency } from "../dispatch/controller.ts";
import type { DeviceMeter } from "../metrics/meters.ts";
import type { System } from "../system/system.ts";
import { groupReplicas, type Station } from "./station.ts";

const NONE = -1;
/** A load by command stands in the line as this less its model, beside the replicas. */
const COMMANDS = -2;

/** A model as one slot has it. */
interface Copy {
  loaded: boolean;
  /** Batches that use it. */
  users: number;
  lastUsedUs: number;
}

interface Memory {
  readonly slot: number;
  freeMb: number;
  /** By model; only what is loaded on demand. */
  readonly copies: Map<number, Copy>;
  /** Replicas whose batch waits for a load, and commands, in order of coming. */
  waiting: number[];
  /** The replica or command whose model is being loaded. */
  loading: number;
  /** The next load finds no room. */
  blocked: boolean;
}

/** Whether any batch can meet a cold start. */
export function hasLoads({ models }: System): boolean {
  return models.some(({ residency, loadUs }) => residency !== "always" && loadUs > 0);
}

export class ModelMemory implements Station {
  readonly #system: System;
  readonly #meter: DeviceMeter;
  readonly #slots: WinnerTree;
  /** Changes that controllers have not heard of; kept only while `reporting`. */
  readonly reports: { slot: number; model: number; state: Residency }[] = [];
  reporting = false;
  readonly #modelOf: readonly number[];
  readonly #memories: readonly Memory[];
  readonly #cameUs: Float64Array;

  constructor(system: System, meter: DeviceMeter, slots: WinnerTree) {
    this.#system = system;
    this.#meter = meter;
    this.#slots = slots;
    const { replicas, pools, models, devices } = system;
    this.#cameUs = new Float64Array(replicas.length);
    this.#modelOf = replicas.map(({ pool }) =>
      models.findIndex((model) => model.name === pools[pool].model),
    );
    const { members } = groupReplicas(
      replicas.map(({ slot }) => slot),
      devices.length,
    );
    this.#memories = devices.map((device, slot): Memory => {
      const here = new Set(members[slot].map((replica) => this.#modelOf[replica]));
      const resident = [...here].filter((model) => models[model].residency === "always");
      const takenMb = resident.reduce((sum, model) => sum + models[model].memoryMb, 0);
      const freeMb = device.memoryMb - takenMb;
      const empty = { copies: new Map(), waiting: [], loading: NONE, blocked: false };
      return { slot, freeMb, ...empty };
    });
  }

  enter(replica: number, nowUs: number): boolean {
    const model = this.#modelOf[replica];
    const { residency } = this.#system.models[model];
    if (residency === "always") return true;
    const memory = this.#memories[this.#system.replicas[replica].slot];
    const copy = memory.copies.get(model);
    if (copy?.loaded && !memory.blocked) {
      copy.users++;
      return true;
    }
    this.#cameUs[replica] = nowUs;
    memory.waiting.push(replica);
    this.#serve(memory, nowUs);
    return false;
  }

  due(replica: number, nowUs: number): boolean {
    const memory = this.#memories[this.#system.replicas[replica].slot];
    this.#meter.loaded(replica, this.#cameUs[replica], nowUs);
    if (memory.loading !== replica) return true;
    const copy = memory.copies.get(this.#modelOf[replica]);
    if (copy !== undefined) copy.users++;
    this.loaded(memory.slot, nowUs);
    return true;
  }

  /** A controller wants a model on a slot. */
  load(slot: number, model: number, nowUs: number): void {
    const memory = this.#memories[slot];
    const copy = memory.copies.get(model);
    const isThere = this.#system.models[model].residency !== "on-demand" || copy?.loaded === true;
    if (isThere) this.#report(memory, model, "resident");
    if (isThere || copy !== undefined) return;
    memory.waiting.push(COMMANDS - model);
    this.#serve(memory, nowUs);
  }

  /** The load on a slot is over. */
  loaded(slot: number, nowUs: number): void {
    const memory = this.#memories[slot];
    const model = this.#modelFor(memory.loading);
    const copy = memory.copies.get(model);
    memory.loading = NONE;
    if (copy !== undefined) {
      copy.loaded = true;
      copy.lastUsedUs = nowUs;
      this.#report(memory, model, "resident");
    }
    this.#serve(memory, nowUs);
  }

  /** A controller wants a model off a slot. */
  evict(slot: number, model: number, nowUs: number): void {
    const memory = this.#memories[slot];
    const copy = memory.copies.get(model);
    if (copy === undefined || !copy.loaded || copy.users > 0) {
      this.#report(memory, model, copy === undefined ? "absent" : "resident");
      return;
    }
    this.#drop(memory, model);
    this.#serve(memory, nowUs);
  }

  abandon(replica: number, nowUs: number): void {
    const memory = this.#memories[this.#system.replicas[replica].slot];
    if (memory.waiting.includes(replica)) {
      memory.waiting = memory.waiting.filter((other) => other !== replica);
    } else if (memory.loading === replica) {
      const model = this.#modelOf[replica];
      memory.loading = NONE;
      this.#drop(memory, model);
    } else {
      this.release(replica, nowUs);
    }
    this.#serve(memory, nowUs);
  }

  /** The batch on a replica is no longer served: its model may go. */
  release(replica: number, nowUs: number): void {
    const model = this.#modelOf[replica];
    const { residency, memoryMb } = this.#system.models[model];
    if (residency === "always") return;
    const memory = this.#memories[this.#system.replicas[replica].slot];
    const copy = memory.copies.get(model);
    if (copy === undefined) {
      memory.freeMb += memoryMb;
    } else {
      copy.users--;
      copy.lastUsedUs = nowUs;
    }
    if (memory.waiting.length > 0) this.#serve(memory, nowUs);
  }

  /** Starts the next load if the last is over, and lets go on whose model is there. */
  #serve(memory: Memory, nowUs: number): void {
    const { models } = this.#system;
    const next = memory.waiting.find((place) => !memory.copies.get(this.#modelFor(place))?.loaded);
    memory.blocked = false;
    if (memory.loading === NONE && next !== undefined) {
      const model = this.#modelFor(next);
      const { memoryMb, loadUs, residency } = models[model];
      if (!this.#makeRoom(memory, memoryMb)) {
        memory.blocked = true;
        return;
      }
      memory.freeMb -= memoryMb;
      memory.loading = next;
      memory.waiting.splice(memory.waiting.indexOf(next), 1);
      if (residency === "on-demand") {
        memory.copies.set(model, { loaded: false, users: 0, lastUsedUs: nowUs });
        this.#report(memory, model, "loading");
      }
      const own = this.#modelOf.length + memory.slot;
      this.#slots.set(next > NONE ? next : own, nowUs + loadUs);
    }
    memory.waiting = memory.waiting.filter((replica) => {
      const copy = memory.copies.get(this.#modelFor(replica));
      if (!copy?.loaded) return true;
      if (replica < 0) return false;
      copy.users++;
      this.#slots.set(replica, nowUs);
      return false;
    });
  }

  /** The model of a place in the line. */
  #modelFor(place: number): number {
    return place > NONE ? this.#modelOf[place] : COMMANDS - place;
  }

  /** A model goes, loaded or half loaded. */
  #drop(memory: Memory, model: number): void {
    memory.copies.delete(model);
    memory.freeMb += this.#system.models[model].memoryMb;
    this.#report(memory, model, "absent");
  }

  #report({ slot }: Memory, model: number, state: Residency): void {
    if (this.reporting) this.reports.push({ slot, model, state });
  }

  /** Evicts idle models until there is room; evicts none when that would not be enough. */
  #makeRoom(memory: Memory, neededMb: number): boolean {
    const { models } = this.#system;
    const idle = [...memory.copies]
      .filter(([, copy]) => copy.loaded && copy.users === 0)
      .sort(([a, one], [b, other]) => one.lastUsedUs - other.lastUsedUs || a - b);
    const idleMb = idle.reduce((sum, [model]) => sum + models[model].memoryMb, 0);
    if (memory.freeMb + idleMb < neededMb) return false;
    for (const [model] of idle) {
      if (memory.freeMb >= neededMb) break;
      this.#drop(memory, model);
    }
    return true;
  }
}
