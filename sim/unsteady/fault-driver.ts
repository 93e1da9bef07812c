/** Lets the faults of a scenario strike the fleet, and times how long the system is hurt. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { ReplicaMeter } from "../../core/metrics/meters.ts";
import { Sampler } from "../../core/random/sampler.ts";
import type { FaultCause, FaultSystem } from "../../core/system.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import type { Disturbance, ReplicaFleet } from "./replica-fleet.ts";

/** Faults of one run that are timed at once; of more, the first. */
const MAX_WOUNDS = 100;

/** A fault that the system has not recovered from. */
interface Wound {
  readonly cause: FaultCause;
  readonly sinceUs: number;
  /** Requests in the system when it began. */
  readonly inSystem: number;
  over: boolean;
}

/** A cause, whether its fault lasts now, and the time until it begins or ends next, µs. */
interface CauseState {
  readonly cause: FaultCause;
  readonly nextUs: (lasts: boolean) => number;
  lasts: boolean;
}

export class FaultDriver implements Disturbance {
  readonly #causes: readonly CauseState[];
  /** By cause: when its fault begins or ends. */
  readonly #due: WinnerTree;
  /** By replica: factors of the causes that slow it at this instant. */
  readonly #factors: (readonly number[])[];
  #wounds: Wound[] = [];

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly faults: FaultSystem,
    private readonly fleet: ReplicaFleet,
    private readonly meter: ReplicaMeter,
    seed: string,
  ) {
    const { causes, slowable } = faults;
    this.#factors = dispatcher.system.replicas.map(() => []);
    for (const service of slowable.values()) service.slowdown = 1;
    this.#causes = causes.map((cause) => ({ cause, nextUs: timesOf(cause, seed), lasts: false }));
    this.#due = new WinnerTree(causes.length);
    this.#causes.forEach(({ cause: { timing }, nextUs }, index) => {
      this.#due.set(index, timing.kind === "once" ? timing.atUs : nextUs(false));
    });
  }

  nextUs(): number {
    return this.#due.least();
  }

  fire(nowUs: number): void {
    const index = this.#due.take();
    const state = this.#causes[index];
    state.lasts = !state.lasts;
    this.#due.set(index, nowUs + state.nextUs(state.lasts));
    if (state.lasts) this.#begin(state.cause, nowUs);
    else this.#end(state.cause, nowUs);
  }

  settle(nowUs: number): void {
    if (this.#wounds.length === 0) return;
    const { inSystem } = this.dispatcher;
    this.#wounds = this.#wounds.filter((wound) => {
      if (!wound.over || inSystem > wound.inSystem) return true;
      this.meter.recovered(nowUs - wound.sinceUs);
      return false;
    });
  }

  #begin(cause: FaultCause, nowUs: number): void {
    const { inSystem } = this.dispatcher;
    if (this.#wounds.length < MAX_WOUNDS) {
      this.#wounds.push({ cause, sinceUs: nowUs, inSystem, over: false });
    }
    for (const replica of cause.replicas) {
      if (cause.kind === "crash") this.fleet.crash(replica, nowUs);
      else if (cause.kind === "partition") this.fleet.cutOff(replica, nowUs);
      else this.#slow(replica, [...this.#factors[replica], cause.factor]);
    }
  }

  #end(cause: FaultCause, nowUs: number): void {
    for (const wound of this.#wounds) if (wound.cause === cause) wound.over = true;
    for (const replica of cause.replicas) {
      const factors = this.#factors[replica];
      if (cause.kind === "crash") this.fleet.repair(replica, nowUs);
      else if (cause.kind === "partition") this.fleet.reconnect(replica, nowUs);
      else this.#slow(replica, factors.toSpliced(factors.indexOf(cause.factor), 1));
    }
  }

  #slow(replica: number, factors: readonly number[]): void {
    this.#factors[replica] = factors;
    const service = this.faults.slowable.get(replica);
    if (service !== undefined) service.slowdown = factors.reduce((product, f) => product * f, 1);
  }
}

/** Each cause draws from streams of its own; a renewal takes at least 1 µs, so that time goes on. */
function timesOf({ timing, name }: FaultCause, seed: string): CauseState["nextUs"] {
  if (timing.kind === "once") return (lasts) => (lasts ? timing.forUs : Number.POSITIVE_INFINITY);
  const up = new Sampler(timing.up, seed, `${name}/up`);
  const down = new Sampler(timing.down, seed, `${name}/down`);
  return (lasts) => {
    const us = lasts ? timing.downUs * down.next() : timing.upUs * up.next();
    return Math.max(1, Math.round(us));
  };
}
