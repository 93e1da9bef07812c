/**
 * Notices senders that go in a circle: their answers take no time, and the next request goes out with the
 * answer, so that time never passes. Only sources that wait for answers can do that.
 *
 * Requests that take time hold their senders. Where only some do, the fewest senders under way at once rise
 * while the instant lasts, until all are held; in a circle they do not.
 */
import { Fault } from "../fault.ts";

const WINDOW = 50_000;

export class Standstill {
  /** So many are sent at one instant between two looks: each sender has its turns, and rare ones come. */
  readonly #window: number;
  #atUs = -1;
  #sent = 0;
  /** In this window, and in those before. */
  #fewest = 0;
  #fewestBefore = 0;

  constructor(senders: number) {
    this.#window = WINDOW + 2 * senders;
  }

  /** A request goes out beside `underWay` others. Throws Fault("limit-exceeded") in a circle. */
  sent(atUs: number, underWay: number): void {
    if (atUs !== this.#atUs) {
      this.#atUs = atUs;
      this.#sent = 0;
      this.#fewest = underWay;
      this.#fewestBefore = Number.NEGATIVE_INFINITY;
    }
    this.#fewest = Math.min(this.#fewest, underWay);
    if (++this.#sent % this.#window > 0) return;
    if (this.#fewest <= this.#fewestBefore) throw this.#fault();
    this.#fewestBefore = this.#fewest;
    this.#fewest = Number.POSITIVE_INFINITY;
  }

  #fault(): Fault {
    const sent = this.#sent.toLocaleString("en-US");
    const message = `time stands still at ${this.#atUs / 1000} ms: ${sent} requests so far`;
    const hint =
      "requests that end at once cause others without end: give services time, or clients a pause";
    return new Fault("limit-exceeded", message, { hint });
  }
}
