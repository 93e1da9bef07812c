/**
 * Arrival processes. Simulator and load generator take their arrivals from here, so both see the
 * same instants for the same seed. Times are whole µs since the run's start.
 */
import { Sampler, type Shape } from "./random/sampler.ts";
import type { WorkloadDocument } from "./scenario/schema.ts";
import { WinnerTree } from "./winner-tree.ts";

export interface ArrivalSource {
  /** Instant of the next arrival; Infinity when there is none (yet). */
  readonly nextUs: number;
  /** Whether no arrival will come any more. */
  readonly exhausted: boolean;
  /** Takes the next arrival. */
  advance(): void;
  /** A request has ended; matters to closed loops only. */
  requestEnded(nowUs: number): void;
  /** End of the measured window if it is known beforehand (durationS), else Infinity. */
  readonly horizonUs: number;
}

/** `traceUs` are the arrival instants of a trace workload, ascending, from 0. */
export function arrivalSource(
  workload: WorkloadDocument,
  seed: string,
  traceUs: readonly number[] | null,
): ArrivalSource {
  const horizonUs = horizonOf(workload);
  const limit = workload.requests ?? Number.POSITIVE_INFINITY;
  switch (workload.arrivals) {
    case "poisson":
      return new Renewal({ kind: "exponential" }, workload.ratePerS, seed, limit, horizonUs);
    case "deterministic":
      return new Renewal({ kind: "constant" }, workload.ratePerS, seed, limit, horizonUs);
    case "gamma": {
      const shape: Shape = { kind: "gamma", cv: workload.cv };
      return new Renewal(shape, workload.ratePerS, seed, limit, horizonUs);
    }
    case "burst":
      return new Listed(new Array<number>(workload.requests).fill(0), limit, horizonUs);
    case "trace": {
      const times = (traceUs ?? []).map((us) => Math.round(us * workload.scale));
      return new Listed(times, limit, horizonUs);
    }
    case "closed":
      return new ClosedLoop(workload.clients, workload.thinkMs * 1000, limit, horizonUs);
  }
}

function horizonOf(workload: WorkloadDocument): number {
  const seconds = workload.arrivals === "burst" ? undefined : workload.durationS;
  return seconds === undefined ? Number.POSITIVE_INFINITY : Math.round(seconds * 1e6);
}

/** Independent gaps of one distribution. The exact times are summed; each is rounded on its own. */
class Renewal implements ArrivalSource {
  readonly horizonUs: number;
  nextUs = 0;
  readonly #gap: Sampler;
  readonly #meanUs: number;
  #left: number;
  #exactUs = 0;

  constructor(shape: Shape, ratePerS: number, seed: string, limit: number, horizonUs: number) {
    this.#gap = new Sampler(shape, seed, "arrivals");
    this.#meanUs = 1e6 / ratePerS;
    this.#left = limit;
    this.horizonUs = horizonUs;
    this.advance();
  }

  advance(): void {
    this.#exactUs += this.#gap.next() * this.#meanUs;
    const at = Math.round(this.#exactUs);
    this.nextUs = --this.#left < 0 || at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }

  get exhausted(): boolean {
    return this.nextUs === Number.POSITIVE_INFINITY;
  }

  requestEnded(): void {}
}

class Listed implements ArrivalSource {
  readonly horizonUs: number;
  readonly #times: readonly number[];
  readonly #count: number;
  #at = 0;

  constructor(times: readonly number[], limit: number, horizonUs: number) {
    this.#times = times;
    this.#count = Math.min(times.length, limit);
    this.horizonUs = horizonUs;
  }

  get nextUs(): number {
    const at = this.#at < this.#count ? this.#times[this.#at] : Number.POSITIVE_INFINITY;
    return at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }

  get exhausted(): boolean {
    return this.nextUs === Number.POSITIVE_INFINITY;
  }

  advance(): void {
    this.#at++;
  }

  requestEnded(): void {}
}

/** Clients that each send, wait for the answer, think, and send again. */
class ClosedLoop implements ArrivalSource {
  readonly horizonUs: number;
  readonly #due: WinnerTree;
  readonly #thinkUs: number;
  readonly #waiting: number[] = [];
  #left: number;

  constructor(clients: number, thinkUs: number, limit: number, horizonUs: number) {
    this.#due = new WinnerTree(clients);
    for (let client = 0; client < clients; client++) this.#due.set(client, 0);
    this.#thinkUs = Math.round(thinkUs);
    this.#left = limit;
    this.horizonUs = horizonUs;
  }

  get nextUs(): number {
    const at = this.#left > 0 ? this.#due.least() : Number.POSITIVE_INFINITY;
    return at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }

  get exhausted(): boolean {
    return this.#left === 0;
  }

  advance(): void {
    this.#left--;
    this.#waiting.push(this.#due.take());
  }

  requestEnded(nowUs: number): void {
    const client = this.#waiting.pop();
    if (client !== undefined) this.#due.set(client, nowUs + this.#thinkUs);
  }
}
