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

/** When each cause of faults strikes and when it is over; each cause draws from a stream of its own. */
class FaultClock {
  readonly #causes: readonly FaultCause[];
  readonly #due: WinnerTree;
  /** Whether each cause's fault lasts now. */
  readonly #lasts: Uint8Array;
  readonly #up: readonly (Sampler | null)[];
  readonly #down: readonly (Sampler | null)[];

  constructor(causes: readonly FaultCause[], seed: string) {
    this.#causes = causes;
    this.#due = new WinnerTree(causes.length);
    this.#lasts = new Uint8Array(causes.length);
    this.#up = causes.map(({ timing, name }) =>
      timing.kind === "once" ? null : new Sampler(timing.up, seed, `${name}/up`),
    );
    this.#down = causes.map(({ timing, name }) =>
      timing.kind === "once" ? null : new Sampler(timing.down, seed, `${name}/down`),
    );
    causes.forEach(({ timing }, cause) => {
      const atUs = timing.kind === "once" ? timing.atUs : this.#gapUs(cause);
      this.#due.set(cause, atUs);
    });
  }

  nextUs(): number {
    return this.#due.least();
  }

  /** The cause that is due at `nextUs()`, and whether its fault begins or is over. */
  take(nowUs: number): { readonly cause: FaultCause; readonly begins: boolean } {
    const index = this.#due.take();
    const cause = this.#causes[index];
    const begins = this.#lasts[index] === 0;
    this.#lasts[index] = begins ? 1 : 0;
    const { timing } = cause;
    if (timing.kind === "renewal") this.#due.set(index, nowUs + this.#gapUs(index));
    else if (begins) this.#due.set(index, nowUs + timing.forUs);
    return { cause, begins };
  }

  /** Time until the next change, at least 1 µs so that time goes on. */
  #gapUs(index: number): number {
    const { timing } = this.#causes[index];
    if (timing.kind === "once") return Number.POSITIVE_INFINITY;
    const lasts = this.#lasts[index] === 1;
    const meanUs = lasts ? timing.downUs : timing.upUs;
    const sampler = (lasts ? this.#down : this.#up)[index] as Sampler;
    return Math.max(1, Math.round(meanUs * sampler.next()));
  }
}
