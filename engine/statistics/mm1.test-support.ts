/** Latencies of M/M/1 at load 0.7 with a mean service time of 10 ms, by Lindley's recursion. */
import { RandomStream } from "../random/stream.ts";

const LOAD = 0.7;
const SERVICE_US = 10_000;
const BLOCK = 2048;
/** Customers before the first that counts: many times the relaxation time of some 40 services. */
const WARM_UP = 2000;

export class Mm1Latencies {
  readonly #gapStream: RandomStream;
  readonly #workStream: RandomStream;
  readonly #gaps = new Float64Array(BLOCK);
  readonly #work = new Float64Array(BLOCK);
  #at = BLOCK;
  #waitUs = 0;

  constructor(seed: string, warmUp = WARM_UP) {
    this.#gapStream = new RandomStream(seed, "gaps");
    this.#workStream = new RandomStream(seed, "work");
    for (let i = 0; i < warmUp; i++) this.nextUs();
  }

  nextUs(): number {
    if (this.#at === BLOCK) {
      this.#gapStream.fillExponential(this.#gaps);
      this.#workStream.fillExponential(this.#work);
      this.#at = 0;
    }
    const latencyUs = this.#waitUs + this.#work[this.#at] * SERVICE_US;
    const gapUs = (this.#gaps[this.#at++] * SERVICE_US) / LOAD;
    this.#waitUs = Math.max(0, latencyUs - gapUs);
    return latencyUs;
  }
}
