/** A device slot that an engine of iterations shares with replicas of other models. */
import { slowdownOf } from "../service/slow-down.ts";
import type { Processor } from "./station.ts";

/**
 * Each is slowed by the number of all that are busy. An iteration keeps the pace that it began with: others that start
 * meanwhile slow the next one.
 */
export class EngineAndOthers implements Processor {
  readonly #engine: Processor;
  readonly #others: Processor;
  readonly #isOther: (replica: number) => boolean;
  readonly #slowdown: readonly number[] | null;

  constructor(
    engine: Processor,
    others: Processor,
    isOther: (replica: number) => boolean,
    slowdown: readonly number[] | null,
  ) {
    this.#engine = engine;
    this.#others = others;
    this.#isOther = isOther;
    this.#slowdown = slowdown;
  }

  get running(): number {
    return this.#engine.running + this.#others.running;
  }

  add(replica: number, aloneUs: number, nowUs: number): void {
    this.#of(replica).add(replica, aloneUs, nowUs);
  }

  due(replica: number, nowUs: number): boolean {
    return this.#of(replica).due(replica, nowUs);
  }

  remove(replica: number, nowUs: number): void {
    this.#of(replica).remove(replica, nowUs);
  }

  crashed(replica: number): void {
    this.#of(replica).crashed?.(replica);
  }

  rate(slowdown: number, nowUs: number): void {
    const own = this.#slowdown;
    const pace = (busy: number): number => slowdown * (own === null ? 1 : slowdownOf(own, busy));
    this.#engine.rate(pace(this.#others.running + 1), nowUs);
    this.#others.rate(pace(this.running), nowUs);
  }

  #of(replica: number): Processor {
    return this.#isOther(replica) ? this.#others : this.#engine;
  }
}
