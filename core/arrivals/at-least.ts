/** An endless source that stops once both a number of arrivals and a time are reached. */
import type { ArrivalSource } from "./source.ts";

export class AtLeast implements ArrivalSource {
  readonly closed = false;
  readonly horizonUs = Number.POSITIVE_INFINITY;
  readonly #source: ArrivalSource;
  readonly #untilUs: number;
  #wanted: number;

  constructor(source: ArrivalSource, arrivals: number, untilUs: number) {
    this.#source = source;
    this.#wanted = arrivals;
    this.#untilUs = untilUs;
  }

  get nextUs(): number {
    const at = this.#source.nextUs;
    return this.#wanted > 0 || at < this.#untilUs ? at : Number.POSITIVE_INFINITY;
  }

  get exhausted(): boolean {
    return this.nextUs === Number.POSITIVE_INFINITY;
  }

  advance(): void {
    this.#wanted--;
    this.#source.advance();
  }

  requestEnded(): void {}
}
