/** Lets the faults of a scenario strike the fleet, and times how long the system is hurt. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { ReplicaMeter } from "../../core/metrics/meters.ts";
import type { FaultCause, FaultSystem } from "../../core/system.ts";
import type { Disturbance } from "./disturbance.ts";
import { FaultClock } from "./fault-clock.ts";
import type { ReplicaFleet } from "./replica-fleet.ts";

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

export class FaultDriver implements Disturbance {
  readonly #dispatcher: Dispatcher;
  readonly #faults: FaultSystem;
  readonly #clock: FaultClock;
  readonly #fleet: ReplicaFleet;
  readonly #meter: ReplicaMeter;
  /** Factors of the causes that slow each replica at this instant. */
  readonly #factors: readonly number[][];
  #wounds: Wound[] = [];

  constructor(
    dispatcher: Dispatcher,
    faults: FaultSystem,
    fleet: ReplicaFleet,
    meter: ReplicaMeter,
    seed: string,
  ) {
    this.#dispatcher = dispatcher;
    this.#faults = faults;
    this.#fleet = fleet;
    this.#meter = meter;
    this.#clock = new FaultClock(faults.causes, seed);
    this.#factors = dispatcher.system.replicas.map(() => []);
    for (const service of faults.slowable.values()) service.slowdown = 1;
  }

  nextUs(): number {
    return this.#clock.nextUs();
  }

  fire(nowUs: number): void {
    const { cause, begins } = this.#clock.take(nowUs);
    if (begins) this.#begin(cause, nowUs);
    else this.#end(cause, nowUs);
  }

  settle(nowUs: number): void {
    if (this.#wounds.length === 0) return;
    const { inSystem } = this.#dispatcher;
    this.#wounds = this.#wounds.filter((wound) => {
      if (!wound.over || inSystem > wound.inSystem) return true;
      this.#meter.recovered(nowUs - wound.sinceUs);
      return false;
    });
  }

  #begin(cause: FaultCause, nowUs: number): void {
    const { inSystem } = this.#dispatcher;
    if (this.#wounds.length < MAX_WOUNDS) {
      this.#wounds.push({ cause, sinceUs: nowUs, inSystem, over: false });
    }
    for (const replica of cause.replicas) {
      if (cause.kind === "crash") this.#fleet.crash(replica, nowUs);
      else if (cause.kind === "partition") this.#fleet.cutOff(replica, nowUs);
      else this.#slow(replica, [...this.#factors[replica], cause.factor]);
    }
  }

  #end(cause: FaultCause, nowUs: number): void {
    for (const wound of this.#wounds) if (wound.cause === cause) wound.over = true;
    for (const replica of cause.replicas) {
      if (cause.kind === "crash") this.#fleet.repair(replica, nowUs);
      else if (cause.kind === "partition") this.#fleet.reconnect(replica, nowUs);
      else this.#slow(replica, without(this.#factors[replica], cause.factor));
    }
  }

  #slow(replica: number, factors: readonly number[]): void {
    this.#factors[replica].splice(0, Number.POSITIVE_INFINITY, ...factors);
    const service = this.#faults.slowable.get(replica);
    if (service !== undefined) service.slowdown = factors.reduce((product, f) => product * f, 1);
  }
}

function without(factors: readonly number[], gone: number): number[] {
  return factors.toSpliced(factors.indexOf(gone), 1);
}
