/**
 * A request's draws by its number. Drawn strictly in order of the numbers, whatever order requests
 * reach the gateway in, so request n is the same as in the simulator.
 */
import { Fault } from "../../core/fault.ts";
import { RequestDraws } from "../../core/request-draws.ts";
import type { System } from "../../core/system.ts";

/** How far ahead of the highest number so far a request's number may be. */
const MAX_AHEAD = 100_000;

interface Row {
  readonly pipeline: number;
  readonly flags: Uint8Array;
  readonly variates: Float64Array;
  readonly goalUs: number;
}

export class DrawBook {
  readonly #numbered: RequestDraws;
  readonly #others: RequestDraws;
  readonly #stride: number;
  /** Drawn but not yet asked for; where requests are tried again, the latest of the others too. */
  readonly #rows = new Map<number, Row>();
  readonly #triedAgain: boolean;
  #drawn = 0;

  /** `triedAgain`: a number may come several times, and has the same draws each time. */
  constructor(system: System, seed: string, triedAgain = false) {
    this.#triedAgain = triedAgain;
    this.#numbered = new RequestDraws(system, seed);
    this.#others = new RequestDraws(system, `${seed}/unnumbered`);
    this.#stride = system.stride;
  }

  /** Throws Fault("invalid-input") for a number that cannot be one of this run. */
  check(index: number | null): void {
    if (index === null) return;
    if (!Number.isInteger(index) || index < 0 || index >= this.#drawn + MAX_AHEAD) {
      throw new Fault("invalid-input", `request index ${index} is out of range`, {
        hint: `a run numbers its requests from 0; at most ${MAX_AHEAD} may be missing`,
      });
    }
  }

  /**
   * Writes the draws of request `index` to the jobs base .. of both arrays, and gives the time from its
   * arrival to its deadline, µs. Without a number, or for one that was used already or belongs to
   * another pipeline, they come from a stream apart.
   */
  take(
    index: number | null,
    pipeline: number,
    base: number,
    flags: Uint8Array,
    variates: Float64Array,
  ): number {
    const row = index === null ? undefined : this.#row(index);
    if (row === undefined || row.pipeline !== pipeline) {
      this.#others.draw(pipeline, base, flags, variates);
      return this.#others.goalUs(pipeline);
    }
    flags.set(row.flags, base);
    variates.set(row.variates, base);
    return row.goalUs;
  }

  #row(index: number): Row | undefined {
    while (this.#drawn <= index) {
      const pipeline = this.#numbered.pipeline();
      const flags = new Uint8Array(this.#stride);
      const variates = new Float64Array(this.#stride);
      this.#numbered.draw(pipeline, 0, flags, variates);
      const goalUs = this.#numbered.goalUs(pipeline);
      this.#rows.set(this.#drawn++, { pipeline, flags, variates, goalUs });
    }
    const row = this.#rows.get(index);
    if (!this.#triedAgain) this.#rows.delete(index);
    else this.#rows.delete(index - MAX_AHEAD);
    return row;
  }
}
